/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * The life of processes: scheduler tracepoints, which every kernel has and which see what happened rather than
 * what was asked for.
 */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The command name before the last change, by thread: an exec has renamed the task when we see it. Threads whose numbers
 * end alike share an entry, but it lives only from the renaming to the end of an exec.
 */
struct previous_name {
	u32 tid;
	u32 pad;
	u64 comm[2];
};

#define PREVIOUS_NAMES 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PREVIOUS_NAMES);
	__type(key, u32);
	__type(value, struct previous_name);
} previous_names SEC(".maps");

static __always_inline struct previous_name *previous_name(u32 tid)
{
	u32 index = tid & (PREVIOUS_NAMES - 1);
	return bpf_map_lookup_elem(&previous_names, &index);
}

SEC("tp_btf/task_rename")
int BPF_PROG(task_rename, struct task_struct *task, const char *comm)
{
	u32 tid = task->pid;
	struct previous_name *p = previous_name(tid);
	if (p) {
		p->comm[0] = ((u64 *)&task->comm)[0];
		p->comm[1] = ((u64 *)&task->comm)[1];
		p->tid = tid;
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SCHED_PROCESS_FORK, ARGC_SCHED_PROCESS_FORK))
		return 0;
	struct scratch *s = r.s;
	struct pid *pid = parent->thread_pid;
	struct task_struct *leader = parent->group_leader;
	put(s, ARG_SCHED_PROCESS_FORK_PARENT_TID, parent->pid);
	put(s, ARG_SCHED_PROCESS_FORK_PARENT_PID, parent->tgid);
	u32 level = pid->level;
	put(s, ARG_SCHED_PROCESS_FORK_PARENT_NS_TID, pid_at(pid, level));
	pid = leader->thread_pid;
	put(s, ARG_SCHED_PROCESS_FORK_PARENT_NS_PID, pid_at(pid, level));

	pid = child->thread_pid;
	leader = child->group_leader;
	level = pid->level;
	put(s, ARG_SCHED_PROCESS_FORK_CHILD_TID, child->pid);
	put(s, ARG_SCHED_PROCESS_FORK_CHILD_PID, child->tgid);
	put(s, ARG_SCHED_PROCESS_FORK_CHILD_NS_TID, pid_at(pid, level));
	pid = leader->thread_pid;
	put(s, ARG_SCHED_PROCESS_FORK_CHILD_NS_PID, pid_at(pid, level));
	put(s, ARG_SCHED_PROCESS_FORK_START_TIME, child->start_boottime);
	rec_send(&r);
	return 0;
}

/*
 * The first program of a container is the one executed after its runtime has set up the mount namespace: a runtime
 * that re-executes itself on the way (runc's init, from a memfd) is not it.
 */
static __always_inline void container_start(struct task_struct *task, struct file *file)
{
	u64 cgroup = task_cgroup(task);
	struct container *c = bpf_map_lookup_elem(&containers, &cgroup);
	if (!c)
		return;
	u64 root = c->root;
	c = bpf_map_lookup_elem(&containers, &root);
	if (!c || c->started)
		return;
	if (BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == host_mnt_ns)
		return;
	if (BPF_CORE_READ(file, f_inode, i_nlink) == 0) {
		static const char runc[] = "memfd:runc";
		char name[16] = {};
		bool same = true;
		const unsigned char *p = BPF_CORE_READ(file, f_path.dentry, d_name.name);
		bpf_probe_read_kernel_str(name, sizeof(name), p);
		for (u32 i = 0; i < sizeof(runc) - 1; i++)
			same &= name[i] == runc[i];
		if (same)
			return;
	}
	c->started = 1;
	containers_changed();
}

static __always_inline void exec_args(struct rec *r, struct task_struct *task, struct linux_binprm *bprm)
{
	struct scratch *s = r->s;
	struct file *file = bprm->file;
	struct inode *inode = file->f_inode;
	struct super_block *sb = inode->i_sb;
	struct mm_struct *mm;
	unsigned long start, end;

	put_str(s, ARG_SCHED_PROCESS_EXEC_CMDPATH, bprm->filename, KERNEL);
	put_typed_path(r, ARG_SCHED_PROCESS_EXEC_PATHNAME, file->f_path.dentry, file->f_path.mnt);
	/* The kernel has just written argv and the environment to the new stack, and nobody else runs there yet. */
	LOAD(mm, task, mm);
	LOAD(start, mm, arg_start);
	LOAD(end, mm, arg_end);
	put_bytes(s, ARG_SCHED_PROCESS_EXEC_ARGV, (void *)start, end - start, PATH_MAX, USER);
	LOAD(start, mm, env_start);
	LOAD(end, mm, env_end);
	put_bytes(s, ARG_SCHED_PROCESS_EXEC_ENV, (void *)start, end - start, PATH_MAX, USER);
	HDR(s)->user = 0;
	put(s, ARG_SCHED_PROCESS_EXEC_DEV, sb->s_dev);
	put(s, ARG_SCHED_PROCESS_EXEC_INODE, inode->i_ino);
	put(s, ARG_SCHED_PROCESS_EXEC_CTIME, typed_ctime(inode));
	put(s, ARG_SCHED_PROCESS_EXEC_INODE_MODE, inode->i_mode);
	put(s, ARG_SCHED_PROCESS_EXEC_INVOKED_FROM_KERNEL, BPF_CORE_READ(task, real_parent, flags) & PF_KTHREAD ? 1 : 0);
	put_str(s, ARG_SCHED_PROCESS_EXEC_INTERP, bprm->interp, KERNEL);

	struct file *in = fd_file(task, 0);
	if (in) {
		put(s, ARG_SCHED_PROCESS_EXEC_STDIN_TYPE, BPF_CORE_READ(in, f_inode, i_mode) & 0170000);
		put_file_path(r, ARG_SCHED_PROCESS_EXEC_STDIN_PATH, in);
	}
	u32 tid = bpf_get_current_pid_tgid();
	struct previous_name *p = previous_name(tid);
	if (p && p->tid == tid)
		put_str(s, ARG_SCHED_PROCESS_EXEC_PREV_COMM, p->comm, KERNEL);
	struct fs_struct *fs = task->fs;
	put_typed_path(r, ARG_SCHED_PROCESS_EXEC_PWD, fs->pwd.dentry, fs->pwd.mnt);
}

/* What execveat was given besides texts, by task: its number changes when it is not the leader. */
struct execveat_call {
	s32 dirfd, flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct execveat_call);
} execveat_calls SEC(".maps");

SEC("tp_btf/sys_enter")
int BPF_PROG(execveat_enter, struct pt_regs *regs)
{
	struct task_struct *task = current_task();
	u64 key = (u64)task;
	bool compat = is_compat(task);
	struct execveat_call c = {.dirfd = syscall_arg(regs, 0, compat), .flags = syscall_arg(regs, 4, compat)};
	if (syscall_nr(regs) == SYSCALL(execveat, compat)) /* as a second handler it comes after others */
		bpf_map_update_elem(&execveat_calls, &key, &c, BPF_ANY);
	bpf_tail_call(ctx, &after_enter_handler, 0);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(execveat_exit, struct pt_regs *regs, long ret)
{
	u64 key = (u64)current_task();
	bpf_map_delete_elem(&execveat_calls, &key); /* it failed, or sched_process_exec has done so */
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/* Decimal digits. Global: what the verifier does not know of the result need not be followed. */
__noinline int digits(u32 n)
{
	int d;
	for (d = 1; d < 10 && n >= 10; d++)
		n /= 10;
	return d;
}

/* The path relative to a descriptor is in the kernel's as /dev/fd/<descriptor>/<path>. */
static __always_inline const char *without_fd(const char *path, s32 fd)
{
	u32 len = sizeof("/dev/fd/") - 1 + digits(fd);
	char c = 0;
	bpf_probe_read_kernel(&c, 1, path + len);
	return path + len + (c == '/');
}

/* The kernel has just written these to the new stack, and nobody else runs there yet. */
static __always_inline void put_new_args(struct scratch *s, u32 argv, u32 envp, struct task_struct *task)
{
	struct mm_struct *mm;
	unsigned long start, end;
	LOAD(mm, task, mm);
	LOAD(start, mm, arg_start);
	LOAD(end, mm, arg_end);
	put_bytes(s, argv, (void *)start, end - start, PATH_MAX, USER);
	LOAD(start, mm, env_start);
	LOAD(end, mm, env_end);
	put_bytes(s, envp, (void *)start, end - start, PATH_MAX, USER);
	HDR(s)->user = 0;
}

/*
 * A system call execve or execveat that succeeded, seen here because at its entry the caller's pages may not have been
 * touched yet, and at its exit they are gone. Failed ones are seen at the exit. The kernel pretends that execveat was execve.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(execve_done, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct rec r;
	u64 key = (u64)task;
	struct execveat_call *at = bpf_map_lookup_elem(&execveat_calls, &key);
	const char *path = bprm->filename;
	bool relative = bpf_core_field_exists(bprm->fdpath) && BPF_CORE_READ(bprm, fdpath);
	if (at) {
		struct execveat_call c = *at;
		bpf_map_delete_elem(&execveat_calls, &key);
		if (!rec_begin(&r, EVENT_EXECVEAT, ARGC_EXECVEAT))
			return 0;
		put_int(r.s, ARG_EXECVEAT_DIRFD, c.dirfd);
		put_int(r.s, ARG_EXECVEAT_FLAGS, c.flags);
		put_str(r.s, ARG_EXECVEAT_PATHNAME, relative ? without_fd(path, c.dirfd) : path, KERNEL);
		put_new_args(r.s, ARG_EXECVEAT_ARGV, ARG_EXECVEAT_ENVP, task);
		rec_send(&r);
		return 0;
	}
	if (relative || current_syscall(task, task_flags(task)) != SYSCALL(execve, is_compat(task)))
		return 0;
	if (!rec_begin(&r, EVENT_EXECVE, ARGC_EXECVE))
		return 0;
	put_str(r.s, ARG_EXECVE_PATHNAME, path, KERNEL);
	put_new_args(r.s, ARG_EXECVE_ARGV, ARG_EXECVE_ENVP, task);
	rec_send(&r);
	return 0;
}

/* Where security_bprm_check and call_usermodehelper cannot be attached, their programs are seen when they start. */
static __always_inline void exec_fallbacks(struct task_struct *task, struct linux_binprm *bprm)
{
	struct rec r;
	if (rec_begin_fallback(&r, EVENT_SECURITY_BPRM_CHECK, ARGC_SECURITY_BPRM_CHECK)) {
		struct file *file = bprm->file;
		put_path(&r, ARG_SECURITY_BPRM_CHECK_PATHNAME, file->f_path.dentry, file->f_path.mnt);
		put(r.s, ARG_SECURITY_BPRM_CHECK_DEV, BPF_CORE_READ(file, f_inode, i_sb, s_dev));
		put(r.s, ARG_SECURITY_BPRM_CHECK_INODE, BPF_CORE_READ(file, f_inode, i_ino));
		put_new_args(r.s, ARG_SECURITY_BPRM_CHECK_ARGV, ARG_SECURITY_BPRM_CHECK_ENVP, task);
		rec_send(&r);
	}
	if ((BPF_CORE_READ(task, real_parent, flags) & PF_KTHREAD) &&
	    rec_begin_fallback(&r, EVENT_CALL_USERMODEHELPER, ARGC_CALL_USERMODEHELPER)) {
		put_str(r.s, ARG_CALL_USERMODEHELPER_PATHNAME, bprm->filename, KERNEL);
		put_new_args(r.s, ARG_CALL_USERMODEHELPER_ARGV, ARG_CALL_USERMODEHELPER_ENVP, task);
		rec_send(&r);
	}
}

/* argv and the environment are read as the caller gave them: the new stack cannot be read yet. */
HOOK(security_bprm_check, struct linux_binprm *bprm)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_BPRM_CHECK, ARGC_SECURITY_BPRM_CHECK))
		return 0;
	struct file *file = FIELD(bprm, file);
	rec_call(&r);
	put_path(&r, ARG_SECURITY_BPRM_CHECK_PATHNAME, FIELD(file, f_path.dentry), FIELD(file, f_path.mnt));
	put(r.s, ARG_SECURITY_BPRM_CHECK_DEV, BPF_CORE_READ(file, f_inode, i_sb, s_dev));
	put(r.s, ARG_SECURITY_BPRM_CHECK_INODE, BPF_CORE_READ(file, f_inode, i_ino));
	u32 at = r.syscall == SYSCALL(execveat, r.compat) ? 2 : 1;
	if (at == 2 || r.syscall == SYSCALL(execve, r.compat)) {
		put_user_strings(r.s, ARG_SECURITY_BPRM_CHECK_ARGV, call_arg(r.task, at, r.compat), r.compat);
		put_user_strings(r.s, ARG_SECURITY_BPRM_CHECK_ENVP, call_arg(r.task, at + 1, r.compat), r.compat);
	}
	rec_send(&r);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct rec r;
	container_start(task, bprm->file);
	exec_fallbacks(task, bprm);
	if (!rec_begin(&r, EVENT_SCHED_PROCESS_EXEC, ARGC_SCHED_PROCESS_EXEC))
		return 0;
	exec_args(&r, task, bprm);
	rec_send(&r);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	struct rec r;
	struct signal_struct *signal = task->signal;
	if (!rec_begin(&r, EVENT_SCHED_PROCESS_EXIT, ARGC_SCHED_PROCESS_EXIT))
		return 0;
	int code = task->exit_code;
	put(r.s, ARG_SCHED_PROCESS_EXIT_EXIT_CODE, (code >> 8) & 0xff);
	put(r.s, ARG_SCHED_PROCESS_EXIT_SIGNAL_CODE, code & 0x7f);
	/* The count of live threads has been lowered already. */
	put(r.s, ARG_SCHED_PROCESS_EXIT_PROCESS_GROUP_EXIT, signal->live.counter == 0);
	rec_send(&r);
	return 0;
}
