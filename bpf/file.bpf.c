/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Files. The programs on security_* functions load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The path that the caller gave to the system call that opens a file, if it is one: an argument of it. */
static __always_inline int open_path_arg(long nr, bool compat)
{
	if (nr == SYSCALL(openat, compat) || nr == SYSCALL(openat2, compat))
		return 1;
	if (nr == SYSCALL(open, compat) || nr == SYSCALL(creat, compat))
		return 0;
	return -1;
}

/* The flags of the call, where they are in a register: the file has lost some that only matter while it is opened. */
static __always_inline u32 open_flags(struct pt_regs *regs, long nr, bool compat)
{
	if (nr == SYSCALL(openat, compat))
		return syscall_arg(regs, 2, compat);
	if (nr == SYSCALL(open, compat))
		return syscall_arg(regs, 1, compat);
	return 0;
}

/* What the file itself says. Returns false when the record has been dropped. */
static __always_inline bool put_opened(struct rec *r, struct file *file, bool typed)
{
	PUT_PATH(r, ARG_SECURITY_FILE_OPEN_PATHNAME, FIELD(file, f_path.dentry), FIELD(file, f_path.mnt));
	if (!rec_filter(r))
		return false;
	struct inode *inode = FIELD(file, f_inode);
	struct super_block *sb = FIELD(inode, i_sb);
	put(r->s, ARG_SECURITY_FILE_OPEN_FLAGS, FIELD(file, f_flags));
	put(r->s, ARG_SECURITY_FILE_OPEN_DEV, FIELD(sb, s_dev));
	put(r->s, ARG_SECURITY_FILE_OPEN_INODE, FIELD(inode, i_ino));
	put(r->s, ARG_SECURITY_FILE_OPEN_CTIME, typed ? typed_ctime(inode) : inode_ctime(inode));
	return true;
}

HOOK(security_file_open, struct file *file)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN) || !put_opened(&r, file, typed))
		return 0;
	rec_call(&r);
	put_int(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL, HDR(r.s)->syscall);
	int path = open_path_arg(r.syscall, r.compat);
	if (path >= 0)
		put_str(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL_PATHNAME, (void *)call_arg(r.task, path, r.compat), USER);
	rec_send(&r);
	return 0;
}

/* What a descriptor refers to is what was opened: the caller's path may have changed since. */
SEC("tp_btf/sys_exit")
int BPF_PROG(open_exit, struct pt_regs *regs, long fd)
{
	struct rec r;
	if (fd >= 0 && rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN)) {
		struct file *file = typed_fd_file(r.task, fd);
		if (file) {
			if (!put_opened(&r, file, true))
				goto out;
		} else {
			file = fd_file(r.task, fd);
			if (!file) {
				rec_drop(&r);
				goto out;
			}
			if (!put_opened(&r, file, false))
				goto out;
		}
		rec_call_of(&r, regs);
		*(u64 *)(r.s->rec + SLOTS_AT + 8 * ARG_SECURITY_FILE_OPEN_FLAGS) |= open_flags(regs, r.syscall, r.compat);
		put_int(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL, HDR(r.s)->syscall);
		int path = open_path_arg(r.syscall, r.compat);
		if (path >= 0)
			put_str(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL_PATHNAME, (void *)syscall_arg(regs, path, r.compat), USER);
		rec_send(&r);
	}
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/*
 * Changes to directories: security_path_* has the directory's mount, security_inode_* has not. The directory's dentry is
 * the parent of the entry's.
 */
HOOK(security_path_unlink, const struct path *dir, struct dentry *dentry)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_INODE_UNLINK, ARGC_SECURITY_INODE_UNLINK))
		return 0;
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	PUT_PATH(&r, ARG_SECURITY_INODE_UNLINK_PATHNAME, dentry, FIELD(dir, mnt));
	if (inode) {
		put(r.s, ARG_SECURITY_INODE_UNLINK_INODE, BPF_CORE_READ(inode, i_ino));
		put(r.s, ARG_SECURITY_INODE_UNLINK_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
		put(r.s, ARG_SECURITY_INODE_UNLINK_CTIME, inode_ctime(inode));
	}
	rec_send(&r);
	return 0;
}

HOOK(security_path_rename, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_INODE_RENAME, ARGC_SECURITY_INODE_RENAME))
		return 0;
	PUT_PATH(&r, ARG_SECURITY_INODE_RENAME_OLD_PATH, old_dentry, FIELD(old_dir, mnt));
	PUT_PATH(&r, ARG_SECURITY_INODE_RENAME_NEW_PATH, new_dentry, FIELD(new_dir, mnt));
	rec_send(&r);
	return 0;
}

#define S_IFMT 0170000
#define S_IFREG 0100000

/* The hook also sees open with O_CREAT, which makes a regular file. */
HOOK(security_path_mknod, const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev)
{
	struct rec r;
	u16 type = mode & S_IFMT;
	if (type == S_IFREG || type == 0)
		return 0;
	if (!rec_begin(&r, EVENT_SECURITY_INODE_MKNOD, ARGC_SECURITY_INODE_MKNOD))
		return 0;
	PUT_PATH(&r, ARG_SECURITY_INODE_MKNOD_FILE_NAME, dentry, FIELD(dir, mnt));
	put(r.s, ARG_SECURITY_INODE_MKNOD_MODE, (u16)mode);
	put(r.s, ARG_SECURITY_INODE_MKNOD_DEV, (u32)dev);
	rec_send(&r);
	return 0;
}

HOOK(security_path_symlink, const struct path *dir, struct dentry *dentry, const char *target)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_INODE_SYMLINK, ARGC_SECURITY_INODE_SYMLINK))
		return 0;
	PUT_PATH(&r, ARG_SECURITY_INODE_SYMLINK_LINKPATH, dentry, FIELD(dir, mnt));
	put_str(r.s, ARG_SECURITY_INODE_SYMLINK_TARGET, target, KERNEL);
	rec_send(&r);
	return 0;
}

#define MAGIC_LEN 32 /* more than the longest header that tells a format */

static __always_inline void magic_write(struct file *file, const void *buf, u64 written)
{
	struct rec r;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
		return;
	if (!rec_begin(&r, EVENT_MAGIC_WRITE, ARGC_MAGIC_WRITE))
		return;
	put_file_path(&r, ARG_MAGIC_WRITE_PATHNAME, file);
	put_bytes(r.s, ARG_MAGIC_WRITE_BYTES, buf, written < MAGIC_LEN ? written : MAGIC_LEN, MAGIC_LEN, USER);
	put(r.s, ARG_MAGIC_WRITE_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
	put(r.s, ARG_MAGIC_WRITE_INODE, BPF_CORE_READ(inode, i_ino));
	rec_send(&r);
}

/*
 * At the exit the pages of the buffer have been touched, and the position is behind what was written. Older verifiers know
 * no pointers to numbers as arguments: that one is read like any memory.
 */
SEC("fexit/vfs_write")
int BPF_PROG(vfs_write, struct file *file, const char *buf, size_t count, u64 unread, long ret)
{
	loff_t end = 0, *pos = NULL;
	if (ret <= 0 || bpf_probe_read_kernel(&pos, sizeof(pos), &ctx[3]) || !pos)
		return 0;
	bpf_probe_read_kernel(&end, sizeof(end), pos);
	if (end == ret)
		magic_write(file, buf, ret);
	return 0;
}

struct iovec {
	void *base;
	u64 len;
};

SEC("tp_btf/sys_exit")
int BPF_PROG(write_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	long nr = syscall_nr(regs);
	if (ret <= 0)
		goto out;
	struct file *file = fd_file(task, syscall_arg(regs, 0, compat));
	if (!file)
		goto out;
	u64 buf = syscall_arg(regs, 1, compat), size = ret;
	if (nr == SYSCALL(pwrite64, compat)) {
		if (syscall_arg(regs, 3, compat) != 0)
			goto out;
	} else if (BPF_CORE_READ(file, f_pos) != ret) {
		goto out;
	}
	if (nr == SYSCALL(writev, compat)) {
		struct iovec v = {};
		if (compat) {
			u32 small[2] = {};
			bpf_probe_read_user(small, sizeof(small), (void *)buf);
			v.base = (void *)(u64)small[0];
			v.len = small[1];
		} else {
			bpf_probe_read_user(&v, sizeof(v), (void *)buf);
		}
		buf = (u64)v.base;
		if (v.len < size)
			size = v.len;
	}
	magic_write(file, (void *)buf, size);
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}
