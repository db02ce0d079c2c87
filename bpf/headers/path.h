/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The path of a file, from its dentries: what the kernel opened, whatever the caller wrote. It reaches up to the root
 * of the mount namespace. bpf_d_path would do, but is allowed in few hooks, starts at the task's root directory, marks
 * deleted files in the text, and costs more than plain loads.
 */
#ifndef TOCSIN_PATH_H
#define TOCSIN_PATH_H

#include "sensor.h"

#define MAX_COMPONENTS 64
#define NAME_LIMIT 256

struct link {
	struct dentry *parent;
	struct qstr name;
};

#define OFFSET(type, field) bpf_core_field_offset(type, field)

/* Since 6.2 any address can be given a type, and is then read by plain loads. The call itself is no instruction. */
extern void *bpf_rdonly_cast(void *obj, u32 btf_id) __ksym __weak;
#define CAN_CAST ((u64)bpf_rdonly_cast)
#define CAST(type, ptr) ((type *)bpf_rdonly_cast((void *)(ptr), bpf_core_type_id_kernel(type)))

/* Neighbours in the kernel's structs are read at once where they are neighbours: a call costs more than the bytes. */
static __always_inline void read_link(struct link *l, struct dentry *dentry)
{
	if (CAN_CAST) {
		dentry = CAST(struct dentry, dentry);
		l->parent = dentry->d_parent;
		l->name.len = dentry->d_name.len;
		l->name.name = dentry->d_name.name;
		return;
	}
	if (OFFSET(struct dentry, d_name) == OFFSET(struct dentry, d_parent) + sizeof(void *)) {
		bpf_probe_read_kernel(l, sizeof(*l), (void *)dentry + OFFSET(struct dentry, d_parent));
		return;
	}
	bpf_core_read(&l->parent, sizeof(l->parent), &dentry->d_parent);
	bpf_core_read(&l->name, sizeof(l->name), &dentry->d_name);
}

static __always_inline void read_place(struct place *p, struct mount *mnt)
{
	if (CAN_CAST) {
		mnt = CAST(struct mount, mnt);
		p->parent = mnt->mnt_parent;
		p->mountpoint = mnt->mnt_mountpoint;
		p->root = mnt->mnt.mnt_root;
		return;
	}
	if (OFFSET(struct mount, mnt_mountpoint) == OFFSET(struct mount, mnt_parent) + sizeof(void *) &&
	    OFFSET(struct mount, mnt.mnt_root) == OFFSET(struct mount, mnt_mountpoint) + sizeof(void *)) {
		bpf_probe_read_kernel(p, sizeof(*p), (void *)mnt + OFFSET(struct mount, mnt_parent));
		return;
	}
	bpf_core_read(&p->parent, sizeof(p->parent), &mnt->mnt_parent);
	bpf_core_read(&p->mountpoint, sizeof(p->mountpoint), &mnt->mnt_mountpoint);
	bpf_core_read(&p->root, sizeof(p->root), &mnt->mnt.mnt_root);
}

/* The mount that all others of the task's namespace are mounted on: of a typed task, a pointer whose type is known. */
static __always_inline struct mount *top_mount(struct task_struct *task)
{
	return task->nsproxy->mnt_ns->root;
}

/* To be asked before places are read: what changes after it makes what is kept of them untrue. */
static __always_inline void expect_top(struct scratch *s, struct task_struct *task)
{
	struct mnt_namespace *ns = task->nsproxy->mnt_ns;
	s->top.mnt_ns = (u64)ns;
	s->top.seq = ns->seq;
	s->top.event = ns->event;
	s->top.mnt = 0;
}

/* Whether a typed mount is one that nothing of a path is above: false when that is not known. */
static __always_inline bool is_top(struct scratch *s, struct task_struct *task, struct vfsmount *mnt)
{
	struct mnt_namespace *ns = task->nsproxy->mnt_ns;
	if (CAN_CAST) {
		struct mount *m = CAST(struct mount, (void *)mnt - OFFSET(struct mount, mnt)), *top = ns->root;
		return m == top || (m->mnt_parent == top && m->mnt_mountpoint == top->mnt.mnt_root);
	}
	return s->top.mnt == (u64)mnt && s->top.mnt_ns == (u64)ns && s->top.event == ns->event && s->top.seq == ns->seq;
}

/*
 * Prepends one component of the path, or steps from the root of a mount to where it is mounted. Returns false at the end.
 * The state is in s: in registers, the verifier would tell apart every way to reach the next step.
 */
static __always_inline bool step_up(struct scratch *s)
{
	struct place *p = &s->place;
	struct link l = {};
	u64 is_root = s->dentry ^ (u64)p->root;

	if (!is_root) {
		if ((u64)p->parent == s->mnt)
			return false; /* the root of the namespace, or a file of no mount */
		s->dentry = (u64)p->mountpoint;
		if (TYPED_TASK) {
			struct mount *top = top_mount(current_task());
			if (p->parent == top && p->mountpoint == top->mnt.mnt_root) {
				if (!CAN_CAST)
					s->top.mnt = s->mnt + OFFSET(struct mount, mnt);
				return false; /* as the next step would say after another read */
			}
		}
		s->mnt = (u64)p->parent;
		read_place(p, p->parent);
		return true;
	}
	read_link(&l, (struct dentry *)s->dentry);
	if (s->dentry == (u64)l.parent)
		return false; /* a file without a place in the tree: a pipe, a memfd, a lazily unmounted one */
	u32 len = l.name.len, at = s->path_at;
	if (len >= NAME_LIMIT || len + 1 > at)
		return false;
	at = (at - len - 1) & (PATH_MAX - 1);
	s->path[at] = '/';
	bpf_probe_read_kernel(&s->path[at + 1], len, l.name.name);
	s->path_at = at;
	s->dentry = (u64)l.parent;
	return true;
}

/*
 * Writes the path of s->dentry and s->mnt into s->path, before what is there from s->path_at to PATH_MAX. Global, so that
 * the verifier looks at it once.
 */
__noinline int build_path(u32 slot)
{
	struct scratch *s = scratch_at(slot);
	int i;
	if (!s)
		return 0;
	if (TYPED_TASK && !CAN_CAST)
		expect_top(s, current_task());
	s->mnt -= OFFSET(struct mount, mnt);
	read_place(&s->place, (struct mount *)s->mnt);
	for (i = 0; i < MAX_COMPONENTS; i++)
		if (!step_up(s))
			break;
	if (i == MAX_COMPONENTS)
		HDR(s)->flags |= FLAG_TRUNCATED;
	s->path_len = PATH_MAX - s->path_at;
	if (s->path_at == PATH_MAX) {
		struct link l = {};
		read_link(&l, (struct dentry *)s->dentry);
		u32 len = l.name.len & (NAME_LIMIT - 1);
		bpf_probe_read_kernel(s->path + PATH_MAX, len, l.name.name);
		s->path_len = len;
	}
	return 0;
}

#define WORDS_OF(d) \
	(bpf_core_field_exists((d)->d_iname) ? (u64 *)&(d)->d_iname : (u64 *)&((struct dentry___v615 *)(d))->d_shortname)
#define INLINE_WORDS 4

/* Copies a name of up to n words, and puts back what follows it. */
#define COPY_WORDS(to, len, d, n)                               \
	do {                                                    \
		u64 *end = (u64 *)((to) + (len)), kept[n];      \
		for (int w = 0; w < n; w++)                     \
			kept[w] = end[w];                       \
		for (int w = 0; w < n; w++)                     \
			((u64 *)(to))[w] = WORDS_OF(d)[w];      \
		for (int w = 0; w < n; w++)                     \
			end[w] = kept[w];                       \
	} while (0)

/*
 * Prepends the name of a typed dentry. A short name is inside the dentry, always, and read by plain loads: at least 32
 * bytes are there for it, its NUL included.
 */
static __always_inline bool prepend_typed(struct scratch *s, struct dentry *dentry)
{
	u32 len = dentry->d_name.len, at = *(volatile u32 *)&s->path_at;
	if (len >= NAME_LIMIT || len + 1 > at)
		return false;
	at = (at - len - 1) & (PATH_MAX - 1);
	u8 *to = s->path + at;
	*to++ = '/';
	if (len >= 8 * INLINE_WORDS)
		bpf_probe_read_kernel(to, len, dentry->d_name.name);
	else if (len <= 8)
		COPY_WORDS(to, len, dentry, 1);
	else if (len <= 16)
		COPY_WORDS(to, len, dentry, 2);
	else
		COPY_WORDS(to, len, dentry, INLINE_WORDS);
	s->path_at = at;
	return true;
}

#define TYPED_COMPONENTS 16

/* Goes up to the root of the mount by plain loads, and says whether it got there. What is above is of no known type. */
static __always_inline bool climb_typed(struct scratch *s, struct dentry *dentry, struct vfsmount *mnt)
{
	struct dentry *root = mnt->mnt_root;
	for (int i = 0; i < TYPED_COMPONENTS; i++) {
		if (dentry == root)
			break;
		struct dentry *parent = dentry->d_parent;
		if (dentry == parent || !prepend_typed(s, dentry))
			break;
		dentry = parent;
	}
	s->dentry = (u64)dentry;
	s->mnt = (u64)mnt;
	return dentry == root;
}

#define PATH_WORDS 8

/* Saves the path that build_path left: whole words where they are few, as a call costs more than all of these. */
static __always_inline void put_built_path(struct scratch *s, u32 arg)
{
	u32 at = *(volatile u32 *)&s->path_at, len = s->path_len; /* in one register, with the check */
	if (at > PATH_MAX)
		return;
	if (len > 8 * PATH_WORDS) {
		put_bytes(s, arg, s->path + at, len, PATH_MAX, KERNEL);
		return;
	}
	u32 pos = data_pos(s);
	if (pos >= REC_LIMIT)
		return;
	u64 *to = (u64 *)(s->rec + (pos & (REC_LIMIT - 1))), *from = (u64 *)(s->path + at);
	for (int w = 0; w < PATH_WORDS; w++)
		to[w] = from[w];
	put_data(s, arg, pos, len);
}

static __always_inline void walk(struct scratch *s, u32 slot, u32 arg, struct dentry *dentry, struct vfsmount *mnt)
{
	s->dentry = (u64)dentry;
	s->mnt = (u64)mnt;
	s->path_at = PATH_MAX;
	build_path(slot);
	put_built_path(s, arg);
}

static __always_inline void put_path(struct rec *r, u32 arg, struct dentry *dentry, struct vfsmount *mnt)
{
	walk(r->s, r->slot, arg, dentry, mnt);
}

/* The same, cheaper, for pointers that the verifier knows the types of. */
static __always_inline void put_typed_path(struct rec *r, u32 arg, struct dentry *dentry, struct vfsmount *mnt)
{
	struct scratch *s = r->s;
	s->path_at = PATH_MAX;
	if (climb_typed(s, dentry, mnt) && TYPED_TASK && is_top(s, r->task, mnt) && *(volatile u32 *)&s->path_at < PATH_MAX)
		s->path_len = PATH_MAX - *(volatile u32 *)&s->path_at;
	else
		build_path(r->slot);
	put_built_path(s, arg);
}

/* The same for a HOOK. */
#define PUT_PATH(r, arg, dentry, mnt)                             \
	do {                                                      \
		if (typed)                                        \
			put_typed_path(r, arg, dentry, mnt);      \
		else                                              \
			put_path(r, arg, dentry, mnt);            \
	} while (0)

static __always_inline void put_file_path(struct rec *r, u32 arg, struct file *file)
{
	put_path(r, arg, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
}

#define CTIME_NSEC 0x7fffffff /* the highest bit is I_CTIME_QUERIED since 6.13 */

/* The time of the last change of an inode, ns since 1970: by plain loads, when its type is known. */
static __always_inline u64 typed_ctime(struct inode *inode)
{
	if (bpf_core_field_exists(inode->i_ctime_sec))
		return inode->i_ctime_sec * 1000000000ull + (inode->i_ctime_nsec & CTIME_NSEC);
	if (bpf_core_field_exists(((struct inode___v66 *)inode)->__i_ctime))
		return ((struct inode___v66 *)inode)->__i_ctime.tv_sec * 1000000000ull + ((struct inode___v66 *)inode)->__i_ctime.tv_nsec;
	return ((struct inode___old *)inode)->i_ctime.tv_sec * 1000000000ull + ((struct inode___old *)inode)->i_ctime.tv_nsec;
}

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
	struct files_struct *files;
	struct fdtable *fdt;
	struct file **table, *file = NULL;
	u32 max;
	LOAD(files, task, files);
	LOAD(fdt, files, fdt);
	LOAD(max, fdt, max_fds);
	if (fd >= max)
		return NULL;
	LOAD(table, fdt, fd);
	if (CAN_CAST) /* any struct that begins with a pointer */
		return (struct file *)CAST(struct list_head, table + fd)->next;
	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	return file;
}

#define FD1(n) \
	case n:  \
		return files->fd_array[n];
#define FD4(n) FD1(n) FD1(n + 1) FD1(n + 2) FD1(n + 3)
#define FD16(n) FD4(n) FD4(n + 4) FD4(n + 8) FD4(n + 12)

/*
 * The same as a typed pointer, where that can be had: for each where the kernel has casts, else for one of the first descriptors,
 * which are in the files_struct itself as long as a process has not needed more: to the verifier, a member of an array has a
 * type only where its number is a constant. NULL: use fd_file.
 */
static __always_inline struct file *typed_fd_file(struct task_struct *task, u32 fd)
{
	if (CAN_CAST) {
		struct file *file = fd_file(task, fd);
		return file ? CAST(struct file, file) : NULL;
	}
	if (!TYPED_TASK)
		return NULL;
	struct files_struct *files = task->files;
	if ((u64)files->fdt != (u64)files + OFFSET(struct files_struct, fdtab)) /* the table that goes with fd_array */
		return NULL;
	switch (fd) {
		FD16(0)
		FD16(16)
		FD16(32)
		FD16(48)
	}
	return NULL;
}

#define AT_FDCWD -100

/*
 * Saves the path that a caller gave for a directory's descriptor, made absolute, but not resolved: links and dots stay.
 */
static __always_inline void put_at_path(struct scratch *s, u32 slot, u32 arg, s32 dirfd, const void *name, enum memory from)
{
	struct task_struct *task = current_task();
	struct dentry *dentry;
	struct vfsmount *mnt;
	char first = 0;
	u32 start = data_pos(s);

	if (from == USER)
		bpf_probe_read_user(&first, 1, name);
	else
		bpf_probe_read_kernel(&first, 1, name);
	if (first == '/' || start >= REC_LIMIT) {
		put_str(s, arg, name, from);
		return;
	}
	if (dirfd == AT_FDCWD) {
		dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	} else {
		struct file *dir = fd_file(task, dirfd);
		if (!dir)
			return;
		dentry = BPF_CORE_READ(dir, f_path.dentry);
		mnt = BPF_CORE_READ(dir, f_path.mnt);
	}
	walk(s, slot, arg, dentry, mnt);
	u64 at = s->pos;
	if (!at || at >= REC_LIMIT)
		return;
	BOUND(at, 16383);
	if (s->path_len > 1) /* not the root itself */
		s->rec[at++] = '/';
	long n = from == USER ? bpf_probe_read_user_str(s->rec + at, PATH_MAX, name) : bpf_probe_read_kernel_str(s->rec + at, PATH_MAX, name);
	if (n <= 0) {
		HDR(s)->present &= ~(1u << (arg & 31));
		return;
	}
	put_data(s, arg, start, at + n - 1 - start);
	if (from == USER)
		HDR(s)->user |= 1u << (arg & 31);
}

#endif
