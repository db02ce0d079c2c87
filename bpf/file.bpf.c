/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Files. The programs on security_* functions load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* After the handler of a system call, the program that records the call itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} after_handler SEC(".maps");

/* The path that the caller gave to the system call that opens a file, if it is one. */
static __always_inline void put_open_path(struct rec *r, u32 arg, long nr, bool compat)
{
	u64 p;
	if (nr == SYSCALL(openat, compat) || nr == SYSCALL(openat2, compat))
		p = current_arg(r->task, 1);
	else if (nr == SYSCALL(open, compat) || nr == SYSCALL(creat, compat))
		p = current_arg(r->task, 0);
	else
		return;
	put_str(r->s, arg, (void *)p, USER);
}

/* The flags of the call, where they are in a register: the file has lost some that only matter while it is opened. */
static __always_inline u32 open_flags(struct pt_regs *regs, bool compat)
{
	long nr = syscall_nr(regs);
	if (nr == SYSCALL(openat, compat))
		return syscall_arg(regs, 2, compat);
	if (nr == SYSCALL(open, compat))
		return syscall_arg(regs, 1, compat);
	return 0;
}

SEC("fentry/security_file_open")
int BPF_PROG(security_file_open, struct file *file)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN))
		return 0;
	struct inode *inode = file->f_inode;
	struct super_block *sb = inode->i_sb;
	put_path(&r, ARG_SECURITY_FILE_OPEN_PATHNAME, file->f_path.dentry, file->f_path.mnt);
	put(r.s, ARG_SECURITY_FILE_OPEN_FLAGS, file->f_flags);
	put(r.s, ARG_SECURITY_FILE_OPEN_DEV, sb->s_dev);
	put(r.s, ARG_SECURITY_FILE_OPEN_INODE, inode->i_ino);
	put(r.s, ARG_SECURITY_FILE_OPEN_CTIME, inode_ctime(inode));
	s32 nr = current_syscall(r.task, task_flags(r.task));
	put_int(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL, nr);
	put_open_path(&r, ARG_SECURITY_FILE_OPEN_SYSCALL_PATHNAME, nr, is_compat(r.task));
	rec_send(&r);
	return 0;
}

/* What a descriptor refers to is what was opened: the caller's path may have changed since. */
SEC("tp_btf/sys_exit")
int BPF_PROG(open_exit, struct pt_regs *regs, long fd)
{
	struct rec r;
	if (fd >= 0 && rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN)) {
		struct file *file = fd_file(r.task, fd);
		if (!file) {
			rec_drop(&r);
			goto out;
		}
		struct inode *inode = BPF_CORE_READ(file, f_inode);
		bool compat = is_compat(r.task);
		put_file_path(&r, ARG_SECURITY_FILE_OPEN_PATHNAME, file);
		put(r.s, ARG_SECURITY_FILE_OPEN_FLAGS, BPF_CORE_READ(file, f_flags) | open_flags(regs, compat));
		put(r.s, ARG_SECURITY_FILE_OPEN_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
		put(r.s, ARG_SECURITY_FILE_OPEN_INODE, BPF_CORE_READ(inode, i_ino));
		put(r.s, ARG_SECURITY_FILE_OPEN_CTIME, inode_ctime(inode));
		put_open_path(&r, ARG_SECURITY_FILE_OPEN_SYSCALL_PATHNAME, syscall_nr(regs), compat);
		put_int(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL, syscall_nr(regs));
		rec_send(&r);
	}
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}
