/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* What files contain: that it changed, and that a pipe could change it. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/stages.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFIFO 0010000
#define SECOND 1000000000ull

/* Open files that were written to, and when that was told: a file is not told of more than once a second. */
struct written_key {
	u64 file;
	u64 inode;
	u32 tgid;
	u32 dev;
};
struct written {
	u64 told; /* ns since boot */
	u64 ctime; /* at that time */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct written_key);
	__type(value, struct written);
} written SEC(".maps");

/* old_ctime is 0 where it is not known. */
static __always_inline void modified(struct file *file, u64 old_ctime)
{
	struct rec r;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	u64 ctime, now = bpf_ktime_get_ns();

	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
		return;
	struct written_key key = {
		.file = (u64)file,
		.inode = BPF_CORE_READ(inode, i_ino),
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.dev = BPF_CORE_READ(inode, i_sb, s_dev),
	};
	struct written *last = bpf_map_lookup_elem(&written, &key);
	if (last && now - last->told < SECOND)
		return;
	if (!rec_begin(&r, EVENT_FILE_MODIFICATION, ARGC_FILE_MODIFICATION))
		return;
	ctime = inode_ctime(inode);
	if (!old_ctime && last)
		old_ctime = last->ctime;
	struct written new = {.told = now, .ctime = ctime};
	bpf_map_update_elem(&written, &key, &new, BPF_ANY);
	put_file_path(&r, ARG_FILE_MODIFICATION_FILE_PATH, file);
	put(r.s, ARG_FILE_MODIFICATION_DEV, key.dev);
	put(r.s, ARG_FILE_MODIFICATION_INODE, key.inode);
	if (old_ctime)
		put(r.s, ARG_FILE_MODIFICATION_OLD_CTIME, old_ctime);
	put(r.s, ARG_FILE_MODIFICATION_NEW_CTIME, ctime);
	rec_send(&r);
}

/* What a thread is modifying, between the entry and the exit of the function that sets the times. */
struct modifying {
	u64 file;
	u64 ctime;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct modifying);
} modifying SEC(".maps");

static __always_inline void modification_begins(struct file *file)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct modifying m = {.file = (u64)file, .ctime = inode_ctime(BPF_CORE_READ(file, f_inode))};
	bpf_map_update_elem(&modifying, &tid, &m, BPF_ANY);
}

static __always_inline void modification_ends(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct modifying *m = bpf_map_lookup_elem(&modifying, &tid);
	if (!m)
		return; /* the inner one of two functions was first */
	struct file *file = (struct file *)m->file;
	u64 ctime = m->ctime;
	bpf_map_delete_elem(&modifying, &tid);
	modified(file, ctime);
}

HOOK(file_modification_enter, struct file *file)
{
	modification_begins(file);
	return 0;
}

HOOK(kiocb_modification_enter, struct kiocb *iocb)
{
	modification_begins(BPF_CORE_READ(iocb, ki_filp));
	return 0;
}

SEC("fexit/file_update_time")
int file_modification_exit(void *ctx)
{
	modification_ends();
	return 0;
}

SEC("kretprobe/file_update_time")
int file_modification_exit_kprobe(struct pt_regs *ctx)
{
	modification_ends();
	return 0;
}

/* Where there is nothing but system calls: those that write. */
SEC("tp_btf/sys_exit")
int BPF_PROG(modification_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	long nr = syscall_nr(regs);
	bool zero = nr == SYSCALL(ftruncate, compat) || nr == SYSCALL(fallocate, compat); /* is their success */

	if (ret > 0 || (zero && !ret)) {
		u32 n = nr == SYSCALL(splice, compat) || nr == SYSCALL(copy_file_range, compat) ? 2 : 0;
		struct file *file = fd_file(task, n ? syscall_arg(regs, 2, compat) : syscall_arg(regs, 0, compat));
		if (file)
			modified(file, 0);
	}
	GO_ON(ctx, exit_second, nr, compat);
	return 0;
}

#define PIPE_BUF_FLAG_CAN_MERGE 0x10 /* linux/pipe_fs_i.h */

/* The flag that no buffer of a file's page may have: a write to the pipe would go to the page. Tests ask for less. */
const volatile u32 merge_flag = PIPE_BUF_FLAG_CAN_MERGE;

static __always_inline void splice_event(struct file *in, struct file *out, loff_t end)
{
	struct rec r;
	struct inode *inode = BPF_CORE_READ(in, f_inode), *pipe_inode = BPF_CORE_READ(out, f_inode);
	u16 mode = BPF_CORE_READ(inode, i_mode);

	if ((mode & S_IFMT) != S_IFREG || (BPF_CORE_READ(pipe_inode, i_mode) & S_IFMT) != S_IFIFO)
		return;
	struct pipe_inode_info *pipe = BPF_CORE_READ(out, private_data);
	u32 last = (BPF_CORE_READ(pipe, head) - 1) & (BPF_CORE_READ(pipe, ring_size) - 1);
	struct pipe_buffer *buf = (void *)BPF_CORE_READ(pipe, bufs) + (u64)last * bpf_core_type_size(struct pipe_buffer);
	u32 flags = BPF_CORE_READ(buf, flags);
	if ((flags & merge_flag) != merge_flag || !rec_begin(&r, EVENT_DIRTY_PIPE_SPLICE, ARGC_DIRTY_PIPE_SPLICE))
		return;
	u32 used = BPF_CORE_READ(buf, offset) + BPF_CORE_READ(buf, len);
	put(r.s, ARG_DIRTY_PIPE_SPLICE_INODE_IN, BPF_CORE_READ(inode, i_ino));
	put(r.s, ARG_DIRTY_PIPE_SPLICE_IN_FILE_TYPE, mode);
	put_file_path(&r, ARG_DIRTY_PIPE_SPLICE_IN_FILE_PATH, in);
	/* From the end of what was spliced to the end of its page, the file can be overwritten. */
	put(r.s, ARG_DIRTY_PIPE_SPLICE_EXPOSED_DATA_START_OFFSET, end);
	put(r.s, ARG_DIRTY_PIPE_SPLICE_EXPOSED_DATA_LEN, used < 4096 ? 4096 - used : 0);
	put(r.s, ARG_DIRTY_PIPE_SPLICE_INODE_OUT, BPF_CORE_READ(pipe_inode, i_ino));
	put(r.s, ARG_DIRTY_PIPE_SPLICE_OUT_PIPE_LAST_BUFFER_FLAGS, flags);
	rec_send(&r);
}

/* Arguments are read like any memory: older verifiers know no pointers to numbers. An explicit offset is the caller's to advance. */
SEC("fexit/do_splice")
int do_splice(u64 *ctx)
{
	u64 args[7] = {};
	loff_t end = 0;
	if (bpf_probe_read_kernel(args, sizeof(args), ctx))
		return 0;
	long ret = args[6];
	struct file *in = (struct file *)args[0];
	if (ret <= 0)
		return 0;
	if (args[1])
		bpf_probe_read_kernel(&end, sizeof(end), (void *)args[1]);
	else
		end = BPF_CORE_READ(in, f_pos);
	splice_event(in, (struct file *)args[2], end);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(splice_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	if (ret > 0) {
		struct file *in = fd_file(task, syscall_arg(regs, 0, compat)), *out = fd_file(task, syscall_arg(regs, 2, compat));
		u64 offset = syscall_arg(regs, 1, compat);
		loff_t end = 0;
		if (in && out) {
			if (offset)
				bpf_probe_read_user(&end, sizeof(end), (void *)offset);
			else
				end = BPF_CORE_READ(in, f_pos);
			splice_event(in, out, end);
		}
	}
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}
