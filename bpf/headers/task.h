/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Who did it: the identity of a task. */
#ifndef TOCSIN_TASK_H
#define TOCSIN_TASK_H

#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000
#define PROC_PID_INIT_INO 0xEFFFFFFC /* include/linux/proc_ns.h: the initial pid namespace */

#define REGS_HELPER bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs___x) /* since 5.15 */

/*
 * Since 5.11 the current task is a typed pointer, read by plain loads; before that it is a number, read by a helper.
 * The loader decides which branch exists, the other one is dead to the verifier.
 */
#ifndef TYPED_TASK
#define TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf___x)
#endif

#define LOAD(dst, ptr, field)                                                 \
	do {                                                                  \
		if (TYPED_TASK)                                               \
			(dst) = (ptr)->field;                                 \
		else                                                          \
			bpf_core_read(&(dst), sizeof(dst), &(ptr)->field);    \
	} while (0)

static __always_inline struct task_struct *current_task(void)
{
	if (TYPED_TASK)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline u32 task_tgid(struct task_struct *task)
{
	u32 tgid;
	LOAD(tgid, task, tgid);
	return tgid;
}

static __always_inline u64 task_cgroup(struct task_struct *task)
{
	struct css_set *set;
	struct cgroup *cgrp;
	struct kernfs_node *kn;
	u64 id = 0;

	LOAD(set, task, cgroups);
	if (cgroup_subsys >= 0) {
		struct cgroup_subsys_state *css;
		u32 off = bpf_core_field_offset(struct css_set, subsys) + sizeof(void *) * (cgroup_subsys & 15);
		bpf_probe_read_kernel(&css, sizeof(css), (void *)set + off);
		cgrp = BPF_CORE_READ(css, cgroup);
		return BPF_CORE_READ(cgrp, kn, id);
	}
	LOAD(cgrp, set, dfl_cgrp);
	LOAD(kn, cgrp, kn);
	LOAD(id, kn, id);
	return id;
}

static __always_inline u8 cgroup_flags(u64 cgroup)
{
	struct container *c = bpf_map_lookup_elem(&containers, &cgroup);
	if (!c)
		return 0;
	if (c->root != cgroup) {
		u64 root = c->root;
		c = bpf_map_lookup_elem(&containers, &root);
	}
	return FLAG_CONTAINER | (c && !c->started ? 0 : FLAG_CONTAINER_STARTED);
}

static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	u32 status;
	LOAD(status, task, thread_info.status);
	return status & 0x2; /* TS_COMPAT */
#else
	unsigned long flags;
	LOAD(flags, task, thread_info.flags);
	return flags & (1 << 22); /* TIF_32BIT */
#endif
}

static __always_inline long syscall_nr(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return regs->orig_ax;
#else
	return regs->syscallno;
#endif
}

static __always_inline u32 task_flags(struct task_struct *task)
{
	u32 flags;
	LOAD(flags, task, flags);
	return flags;
}

#define THREAD_SIZE 16384
#if defined(__TARGET_ARCH_x86)
#define STACK_TOP_PADDING 0
#else
#define STACK_TOP_PADDING 16 /* the frame record */
#endif

/* Where the registers of a task are saved while it is in the kernel: to be read by a helper. */
static __always_inline struct pt_regs *saved_regs(struct task_struct *task)
{
	void *stack;
	LOAD(stack, task, stack);
	return stack + THREAD_SIZE - STACK_TOP_PADDING - bpf_core_type_size(struct pt_regs);
}

/* The number of the system call that the current task is in, or -1. */
static __always_inline s32 current_syscall(struct task_struct *task, u32 task_flags)
{
	if (task_flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	if (REGS_HELPER)
		return syscall_nr((struct pt_regs *)bpf_task_pt_regs(task));
	struct pt_regs *regs = saved_regs(task);
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(regs, orig_ax);
#else
	return BPF_CORE_READ(regs, syscallno);
#endif
}

/* The same as a native number, whichever way the call came. */
static __always_inline s32 native_syscall(s32 nr, bool compat)
{
	u64 at = (u32)nr;
	if (!compat)
		return nr;
	if (at >= COMPAT_CALLS)
		return -1;
	BOUND(at, 511);
	return native_syscalls[at];
}

/* The number of pid in the pid namespace at the given depth; 0 when it is not visible there. */
static __always_inline u32 pid_at(struct pid *pid, u32 level)
{
	u32 nr = 0, own;
	LOAD(own, pid, level);
	if (level > own)
		return 0;
	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			      (level & 31) * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
	return nr;
}

static __always_inline u32 pid_level(struct task_struct *task)
{
	struct pid *pid;
	u32 level;
	LOAD(pid, task, thread_pid);
	LOAD(level, pid, level);
	return level;
}

/* The inode number of the task's pid namespace. */
static __always_inline u32 task_pidns(struct task_struct *task)
{
	struct pid *pid;
	struct pid_namespace *ns;
	u32 level = pid_level(task);
	if (level == 0)
		return PROC_PID_INIT_INO;
	LOAD(pid, task, thread_pid);
	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			      (level & 31) * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns));
	return BPF_CORE_READ(ns, ns.inum);
}

/* The name of a task: two loads, where a helper takes some fifty instructions, and not every kind of program has it. */
static __always_inline void copy_comm(void *to, struct task_struct *task)
{
	if (TYPED_TASK) {
		((u64 *)to)[0] = ((u64 *)&task->comm)[0];
		((u64 *)to)[1] = ((u64 *)&task->comm)[1];
	} else {
		bpf_core_read(to, 16, &task->comm);
	}
}

/* Everything but the system call and the host's name. Returns where the latter is found. */
static __always_inline struct nsproxy *fill_identity(struct event_header *h, struct task_struct *task)
{
	struct task_struct *leader, *parent;
	const struct cred *real, *eff;
	struct pid *pid;
	struct nsproxy *ns;
	u32 v;
	u64 t;

	h->timestamp = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	copy_comm(h->comm, task);

	LOAD(leader, task, group_leader);
	LOAD(parent, task, real_parent);
	LOAD(parent, parent, group_leader);
	LOAD(t, task, start_boottime);
	h->thread_start = t;
	LOAD(t, leader, start_boottime);
	h->leader_start = t;
	LOAD(t, parent, start_boottime);
	h->parent_start = t;

	LOAD(v, task, pid);
	h->host_tid = v;
	LOAD(v, task, tgid);
	h->host_pid = v;
	LOAD(v, parent, tgid);
	h->host_ppid = v;

	u32 level;
	LOAD(pid, task, thread_pid);
	LOAD(level, pid, level);
	if (level == 0) {
		h->tid = h->host_tid;
		h->pid = h->host_pid;
		h->ppid = h->host_ppid;
		h->pid_ns = PROC_PID_INIT_INO;
	} else {
		struct upid own = {};
		struct pid *other;
		bpf_probe_read_kernel(&own, sizeof(own), (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      (level & 31) * bpf_core_type_size(struct upid));
		h->tid = own.nr;
		h->pid_ns = BPF_CORE_READ(own.ns, ns.inum);
		LOAD(other, leader, thread_pid);
		h->pid = pid_at(other, level);
		LOAD(other, parent, thread_pid);
		h->ppid = pid_at(other, level);
	}

	LOAD(real, task, real_cred);
	LOAD(eff, task, cred);
	LOAD(v, real, uid.val);
	h->uid = v;
	LOAD(v, eff, euid.val);
	h->euid = v;
	h->login_uid = -1;
	if (bpf_core_field_exists(task->loginuid)) {
		LOAD(v, task, loginuid.val);
		h->login_uid = v;
	}
	if (TYPED_TASK)
		h->cap_eff = *(u64 *)&eff->cap_effective;
	else
		bpf_core_read(&h->cap_eff, sizeof(h->cap_eff), &eff->cap_effective);

	struct mnt_namespace *mnt;
	LOAD(ns, task, nsproxy);
	LOAD(mnt, ns, mnt_ns);
	LOAD(v, mnt, ns.inum);
	h->mnt_ns = v;
	return ns;
}

/* A task that something is done for while another one runs. */
struct owner {
	struct event_header header;
	u8 host[HOST_LEN];
};

/* What is known of the owner; the time and the processor are the present ones. */
static __always_inline void copy_identity(struct event_header *h, const struct owner *owner)
{
	const struct event_header *of = &owner->header;
	h->timestamp = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->flags |= of->flags & (FLAG_KTHREAD | FLAG_COMPAT);
	h->syscall = -1;
	h->thread_start = of->thread_start;
	h->leader_start = of->leader_start;
	h->parent_start = of->parent_start;
	h->cap_eff = of->cap_eff;
	h->pid = of->pid;
	h->tid = of->tid;
	h->ppid = of->ppid;
	h->host_pid = of->host_pid;
	h->host_tid = of->host_tid;
	h->host_ppid = of->host_ppid;
	h->uid = of->uid;
	h->euid = of->euid;
	h->login_uid = of->login_uid;
	h->mnt_ns = of->mnt_ns;
	h->pid_ns = of->pid_ns;
	__builtin_memcpy(h->comm, of->comm, sizeof(h->comm));
}

#define SHORT_HOST_LEN 16

/* Writes the host's name and returns the bytes that it takes: most names are short, and every byte is copied again. */
static __always_inline u32 copy_host(void *to, struct nsproxy *ns)
{
	struct uts_namespace *uts;
	LOAD(uts, ns, uts_ns);
	if (TYPED_TASK) {
		u64 *name = (u64 *)&uts->name.nodename, last = name[1];
		((u64 *)to)[0] = name[0];
		((u64 *)to)[1] = last;
		if (!(last >> 56))
			return SHORT_HOST_LEN;
	}
	bpf_core_read(to, HOST_LEN, &uts->name.nodename);
	return HOST_LEN;
}

#endif
