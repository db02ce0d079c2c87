/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * Credentials and namespaces. Where no program can be attached to the kernel functions that change them, they are noted at
 * the entry of the system calls that may, and compared at the exit.
 */
#include "headers/sensor.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* slim_cred_t: event.CredFields */
struct slim_cred {
	u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid, user_ns, securebits;
	u64 inheritable, permitted, effective, bset, ambient;
};

static __always_inline void slim(struct slim_cred *out, const struct cred *c)
{
	out->uid = BPF_CORE_READ(c, uid.val);
	out->gid = BPF_CORE_READ(c, gid.val);
	out->suid = BPF_CORE_READ(c, suid.val);
	out->sgid = BPF_CORE_READ(c, sgid.val);
	out->euid = BPF_CORE_READ(c, euid.val);
	out->egid = BPF_CORE_READ(c, egid.val);
	out->fsuid = BPF_CORE_READ(c, fsuid.val);
	out->fsgid = BPF_CORE_READ(c, fsgid.val);
	out->user_ns = BPF_CORE_READ(c, user_ns, ns.inum);
	out->securebits = BPF_CORE_READ(c, securebits);
	/* Two 32-bit halves before 6.3, one number since: the same bytes. */
	bpf_core_read(&out->inheritable, 8, &c->cap_inheritable);
	bpf_core_read(&out->permitted, 8, &c->cap_permitted);
	bpf_core_read(&out->effective, 8, &c->cap_effective);
	bpf_core_read(&out->bset, 8, &c->cap_bset);
	bpf_core_read(&out->ambient, 8, &c->cap_ambient);
}

static __always_inline bool same_cred(struct slim_cred *a, struct slim_cred *b)
{
	u64 *x = (u64 *)a, *y = (u64 *)b, differ = 0;
	for (u32 i = 0; i < sizeof(*a) / 8; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

static __always_inline void send_creds(struct slim_cred *old, struct slim_cred *new)
{
	struct rec r;
	if (same_cred(old, new) || !rec_begin(&r, EVENT_COMMIT_CREDS, ARGC_COMMIT_CREDS))
		return;
	put_bytes(r.s, ARG_COMMIT_CREDS_OLD_CRED, old, sizeof(*old), 128, KERNEL);
	put_bytes(r.s, ARG_COMMIT_CREDS_NEW_CRED, new, sizeof(*new), 128, KERNEL);
	rec_call(&r);
	put_int(r.s, ARG_COMMIT_CREDS_SYSCALL, HDR(r.s)->syscall);
	rec_send(&r);
}

HOOK(commit_creds, struct cred *new)
{
	struct slim_cred before = {}, after = {};
	struct task_struct *task = current_task();
	const struct cred *old;
	LOAD(old, task, real_cred);
	slim(&before, old);
	slim(&after, new);
	send_creds(&before, &after);
	return 0;
}

struct namespaces {
	u32 mnt, pid, uts, ipc, net, cgroup;
};

static __always_inline void read_namespaces(struct namespaces *out, struct nsproxy *ns)
{
	out->mnt = BPF_CORE_READ(ns, mnt_ns, ns.inum);
	out->pid = BPF_CORE_READ(ns, pid_ns_for_children, ns.inum);
	out->uts = BPF_CORE_READ(ns, uts_ns, ns.inum);
	out->ipc = BPF_CORE_READ(ns, ipc_ns, ns.inum);
	out->net = BPF_CORE_READ(ns, net_ns, ns.inum);
	out->cgroup = BPF_CORE_READ(ns, cgroup_ns, ns.inum);
}

static __always_inline void put_changed(struct scratch *s, u32 arg, u32 old, u32 new)
{
	if (old != new)
		put(s, arg, new);
}

static __always_inline void send_namespaces(struct task_struct *task, struct namespaces *old, struct namespaces *new)
{
	struct rec r;
	if (old->mnt == new->mnt && old->pid == new->pid && old->uts == new->uts && old->ipc == new->ipc && old->net == new->net && old->cgroup == new->cgroup)
		return;
	if (!rec_begin(&r, EVENT_SWITCH_TASK_NS, ARGC_SWITCH_TASK_NS))
		return;
	put_int(r.s, ARG_SWITCH_TASK_NS_PID, BPF_CORE_READ(task, pid));
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_MNT, old->mnt, new->mnt);
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_PID, old->pid, new->pid);
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_UTS, old->uts, new->uts);
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_IPC, old->ipc, new->ipc);
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_NET, old->net, new->net);
	put_changed(r.s, ARG_SWITCH_TASK_NS_NEW_CGROUP, old->cgroup, new->cgroup);
	rec_send(&r);
}

HOOK(switch_task_namespaces, struct task_struct *task, struct nsproxy *new)
{
	struct namespaces before = {}, after = {};
	if (!new) /* the task ends */
		return 0;
	read_namespaces(&before, BPF_CORE_READ(task, nsproxy));
	read_namespaces(&after, new);
	send_namespaces(task, &before, &after);
	return 0;
}

struct before {
	struct slim_cred cred;
	struct namespaces ns;
};

/* What a thread was before its system call; its number may change during execve. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64); /* address of the task */
	__type(value, struct before);
} before_call SEC(".maps");

SEC("tp_btf/sys_enter")
int BPF_PROG(identity_enter, struct pt_regs *regs)
{
	struct before b = {};
	struct task_struct *task = current_task();
	u64 key = (u64)task;
	slim(&b.cred, BPF_CORE_READ(task, real_cred));
	read_namespaces(&b.ns, BPF_CORE_READ(task, nsproxy));
	bpf_map_update_elem(&before_call, &key, &b, BPF_ANY);
	bpf_tail_call(ctx, &after_enter_handler, SECOND_HANDLER);
	bpf_tail_call(ctx, &after_enter_handler, RECORDER);
	return 0;
}

/* Functions of their own, so that their stacks do not add up. */
static __noinline int compare_creds(struct task_struct *task, struct before *b)
{
	struct slim_cred cred = {};
	slim(&cred, BPF_CORE_READ(task, real_cred));
	send_creds(&b->cred, &cred);
	return 0;
}

static __noinline int compare_namespaces(struct task_struct *task, struct before *b)
{
	struct namespaces ns = {};
	read_namespaces(&ns, BPF_CORE_READ(task, nsproxy));
	send_namespaces(task, &b->ns, &ns);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(identity_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = current_task();
	u64 key = (u64)task;
	struct before *b = bpf_map_lookup_elem(&before_call, &key);
	if (b) {
		compare_creds(task, b);
		compare_namespaces(task, b);
		bpf_map_delete_elem(&before_call, &key);
	}
	bpf_tail_call(ctx, &after_handler, SECOND_HANDLER);
	bpf_tail_call(ctx, &after_handler, RECORDER);
	return 0;
}

static __always_inline void send_capability(int cap)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_CAP_CAPABLE, ARGC_CAP_CAPABLE))
		return;
	put_int(r.s, ARG_CAP_CAPABLE_CAP, cap);
	rec_call(&r);
	put_int(r.s, ARG_CAP_CAPABLE_SYSCALL, HDR(r.s)->syscall);
	rec_send(&r);
}

#define CAP_OPT_NOAUDIT 2 /* a mere question */

HOOK(cap_capable, const struct cred *cred, struct user_namespace *ns, int cap, unsigned int opts)
{
	if (!(opts & CAP_OPT_NOAUDIT))
		send_capability(cap);
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(cap_capable_tp, const struct cred *cred, struct user_namespace *target, const struct user_namespace *capable, int cap, int ret)
{
	send_capability(cap);
	return 0;
}
