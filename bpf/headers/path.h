/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The path of a file, from its dentries: what the kernel opened, whatever the caller wrote. It reaches up to the root
 * of the mount namespace. bpf_d_path would do, but is allowed in few hooks, and marks deleted files in the text.
 */
#ifndef TOCSIN_PATH_H
#define TOCSIN_PATH_H

#include "sensor.h"

#define MAX_COMPONENTS 64
#define NAME_LIMIT 256

/*
 * Prepends one component of the path, or steps from the root of a mount to where it is mounted. Returns false at the end.
 * The state is in s: in registers, the verifier would tell apart every way to reach the next step.
 */
static __always_inline bool step_up(struct scratch *s)
{
	struct dentry *dentry = (struct dentry *)s->dentry;
	struct vfsmount *vfsmnt = (struct vfsmount *)s->mnt;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	u64 is_root = s->dentry ^ s->mnt_root;

	if (!is_root) {
		struct mount *mnt = (void *)vfsmnt - bpf_core_field_offset(struct mount, mnt);
		struct mount *up = BPF_CORE_READ(mnt, mnt_parent);
		if (up == mnt)
			return false; /* the root of the namespace, or a file of no mount */
		vfsmnt = (void *)up + bpf_core_field_offset(struct mount, mnt);
		s->dentry = (u64)BPF_CORE_READ(mnt, mnt_mountpoint);
		s->mnt = (u64)vfsmnt;
		s->mnt_root = (u64)BPF_CORE_READ(vfsmnt, mnt_root);
		return true;
	}
	if (dentry == parent)
		return false; /* a file without a place in the tree: a pipe, a memfd, a lazily unmounted one */
	struct qstr name = {};
	bpf_core_read(&name, sizeof(name), &dentry->d_name);
	u32 len = name.len, at = s->path_at;
	if (len >= NAME_LIMIT || len + 1 > at)
		return false;
	at = (at - len - 1) & (PATH_MAX - 1);
	s->path[at] = '/';
	bpf_probe_read_kernel(&s->path[at + 1], len, name.name);
	s->path_at = at;
	s->dentry = (u64)parent;
	return true;
}

/*
 * Writes the path of s->dentry and s->mnt into s->path, ending at PATH_MAX. Global, so that the verifier looks at it once.
 */
__noinline int build_path(u32 slot)
{
	struct scratch *s = scratch_at(slot);
	int i;
	if (!s)
		return 0;
	struct vfsmount *mnt = (struct vfsmount *)s->mnt;
	s->mnt_root = (u64)BPF_CORE_READ(mnt, mnt_root);
	s->path_at = PATH_MAX;
	for (i = 0; i < MAX_COMPONENTS; i++)
		if (!step_up(s))
			break;
	if (i == MAX_COMPONENTS)
		HDR(s)->flags |= FLAG_TRUNCATED;
	s->path_len = PATH_MAX - s->path_at;
	if (s->path_at == PATH_MAX) {
		struct qstr name = {};
		struct dentry *dentry = (struct dentry *)s->dentry;
		bpf_core_read(&name, sizeof(name), &dentry->d_name);
		u32 len = name.len & (NAME_LIMIT - 1);
		bpf_probe_read_kernel(s->path + PATH_MAX, len, name.name);
		s->path_len = len;
	}
	return 0;
}

/* Saves the path that build_path left. */
static __always_inline void put_built_path(struct scratch *s, u32 arg)
{
	u32 at = s->path_at;
	if (at > PATH_MAX)
		return;
	put_bytes(s, arg, s->path + at, s->path_len, PATH_MAX, KERNEL);
}

static __always_inline void put_path(struct rec *r, u32 arg, struct dentry *dentry, struct vfsmount *mnt)
{
	r->s->dentry = (u64)dentry;
	r->s->mnt = (u64)mnt;
	build_path(r->slot);
	put_built_path(r->s, arg);
}

static __always_inline void put_file_path(struct rec *r, u32 arg, struct file *file)
{
	put_path(r, arg, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
}

#define CTIME_NSEC 0x7fffffff /* the highest bit is I_CTIME_QUERIED since 6.13 */

/* The time of the last change of an inode, ns since 1970. */
static __always_inline u64 inode_ctime(struct inode *inode)
{
	if (bpf_core_field_exists(inode->i_ctime_sec))
		return BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ull + (BPF_CORE_READ(inode, i_ctime_nsec) & CTIME_NSEC);
	struct timespec64 t = {};
	if (bpf_core_field_exists(((struct inode___v66 *)inode)->__i_ctime))
		bpf_core_read(&t, sizeof(t), &((struct inode___v66 *)inode)->__i_ctime);
	else
		bpf_core_read(&t, sizeof(t), &((struct inode___old *)inode)->i_ctime);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The file behind a descriptor of the current task, or NULL. */
static __always_inline struct file *fd_file(struct task_struct *task, u32 fd)
{
	struct file *file = NULL;
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	struct file **table = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	return file;
}

#endif
