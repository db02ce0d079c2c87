/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The few kernel types that the sensor reads, with only the members that it reads. Offsets are relocated
 * when a program is loaded (CO-RE), so this one header serves every kernel from 5.8 and both architectures.
 * Names that end in ___x are flavours: another layout of the same type, chosen at load time.
 */
#ifndef TOCSIN_VMLINUX_H
#define TOCSIN_VMLINUX_H
#define __VMLINUX_H__ /* bpf_tracing.h: struct pt_regs is the kernel's */

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __s16 s16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
typedef u16 umode_t;
typedef u32 dev_t;
typedef int pid_t;
typedef unsigned long size_t;
typedef long long loff_t;
#define true 1
#define false 0
#define NULL ((void *)0)

/* uapi/linux/bpf.h */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1 << 10,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_CONS_POS = 2,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	unsigned short cs;
	unsigned long flags, sp;
};
struct thread_info {
	unsigned long flags;
	u32 status;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};
struct pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
	u64 orig_x0;
	s32 syscallno;
};
struct thread_info {
	unsigned long flags;
};
#endif

enum bpf_func_id {
	BPF_FUNC_get_current_task_btf___x = 158,
	BPF_FUNC_task_pt_regs___x = 175,
};

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	unsigned int val;
} kuid_t;
typedef struct {
	unsigned int val;
} kgid_t;

struct ns_common {
	unsigned int inum;
};
struct mount;
struct mnt_namespace {
	struct ns_common ns;
	struct mount *root;
	u64 seq, event; /* until 6.17 */
};
struct ipc_namespace {
	struct ns_common ns;
};
struct net {
	struct ns_common ns;
};
struct cgroup_namespace {
	struct ns_common ns;
};
struct pid_namespace {
	struct ns_common ns;
};
struct new_utsname {
	char nodename[65];
};
struct uts_namespace {
	struct new_utsname name;
	struct ns_common ns;
};
struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
};
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[1];
};
struct kernfs_node {
	u64 id;
	const char *name;
};
struct cgroup_root {
	int hierarchy_id;
};
struct cgroup;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};
struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};
struct css_set {
	struct cgroup_subsys_state *subsys[8];
	struct cgroup *dfl_cgrp;
};
struct user_namespace {
	struct ns_common ns;
};
struct kernel_cap_struct {
	u32 cap[2];
};
typedef struct {
	u64 val;
} kernel_cap_t;
struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	unsigned securebits;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	struct user_namespace *user_ns;
};
struct qstr {
	u32 hash, len;
	const unsigned char *name;
};
struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};
struct file_system_type;
struct super_block {
	dev_t s_dev;
	unsigned long s_magic;
	struct file_system_type *s_type;
};
struct inode {
	umode_t i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	dev_t i_rdev;
	s64 i_ctime_sec; /* since 6.11 */
	u32 i_ctime_nsec;
};
struct inode___v66 {
	struct timespec64 __i_ctime;
};
struct inode___old {
	struct timespec64 i_ctime;
};
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	unsigned char d_iname[32]; /* at least */
};
union shortname_store {
	unsigned char string[32];
};
struct dentry___v615 {
	union shortname_store d_shortname;
};
struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
struct file {
	struct inode *f_inode;
	unsigned int f_flags;
	struct path f_path;
	void *private_data;
	loff_t f_pos;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
	struct fdtable fdtab;
	struct file *fd_array[64];
};
struct fs_struct {
	struct path pwd;
};
struct mm_struct {
	unsigned long arg_start, arg_end, env_start, env_end;
	struct file *exe_file;
};
struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
	const char *fdpath; /* since 5.10 */
	int argc, envc;
};
struct signal_struct {
	atomic_t live;
};
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	pid_t pid, tgid;
	int exit_code;
	struct mm_struct *mm;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	const struct cred *real_cred, *cred;
	char comm[16];
	kuid_t loginuid; /* with CONFIG_AUDIT */
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	void *stack;
};

typedef struct {
	int owned;
} socket_lock_t;
struct in6_addr {
	u8 s6_addr[16];
};
struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	u8 skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};
struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	u16 sk_type;
	u16 sk_protocol;
	struct socket *sk_socket;
};
struct net_device {
	char name[16];
};
struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
};
struct socket {
	short type;
	struct file *file;
	struct sock *sk;
};
struct sockaddr_un {
	u16 sun_family;
	char sun_path[108];
};
struct unix_address {
	int len;
	struct sockaddr_un name[];
};
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct open_how {
	u64 flags;
};
struct filename {
	const char *name;
};
struct io_cqe {
	s32 res;
	int fd;
};
struct io_cmd_data {
	struct file *file;
};
struct io_kiocb {
	struct io_cmd_data cmd;
	u8 opcode;
	u32 flags;
	struct io_cqe cqe;
	void *async_data;
};
struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};
struct delayed_filename {
	struct filename *__incomplete_filename;
};
struct io_open___v70 {
	struct delayed_filename filename;
};
struct io_connect {
	void *addr;
	int addr_len;
};
struct io_async_msghdr {
	struct {
		u16 ss_family;
	} addr;
};

struct list_head {
	struct list_head *next, *prev;
};
struct module {
	struct list_head list;
	char name[56];
	const char *version;
	const char *srcversion;
};
struct file_system_type {
	const char *name;
};
struct vm_area_struct {
	unsigned long vm_start, vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};
struct kprobe {
	const char *symbol_name;
	void *pre_handler, *post_handler, *addr;
};
struct subprocess_info {
	const char *path;
	char **argv, **envp;
	int wait;
};
struct bpf_prog_aux {
	u32 id;
	char name[16];
	const char *attach_func_name;
};
enum bpf_prog_type { BPF_PROG_TYPE_UNSPEC };
struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
};
struct trace_event_call {
	const char *name;
	int flags;
};
struct perf_event {
	struct trace_event_call *tp_event;
};

struct kiocb {
	struct file *ki_filp;
};
struct pipe_buffer {
	unsigned int offset, len, flags;
};
struct pipe_inode_info {
	unsigned int head, ring_size;
	struct pipe_buffer *bufs;
};

/* More of types above, for single programs. */
struct vm_area_struct___ops {
	const void *vm_ops;
};
struct mm_struct___areas {
	unsigned long start_brk, brk, start_stack;
};
#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
};
#else
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
};
#endif
struct task_struct___stacks {
	unsigned long sas_ss_sp;
	size_t sas_ss_size;
	void *vfork_done;
	struct thread_struct thread;
};

#pragma clang attribute pop
#endif
