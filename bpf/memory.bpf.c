/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Mappings and their protections: files mapped as code, and memory that becomes executable after it was written. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* PROT_* and VM_* have the same values for these. */
#define READ 1
#define WRITE 2
#define EXEC 4
#define MAP_ANONYMOUS 0x20

/* The texts of these are event.EncMemAlert. */
enum alert { MMAP_WRITE_EXEC = 1, EXEC_ADDED, WRITE_ADDED, WRITE_REMOVED };

static __always_inline void map_events(struct file *file, u32 prot, u32 flags)
{
	struct rec r;
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if (rec_begin(&r, EVENT_SECURITY_MMAP_FILE, ARGC_SECURITY_MMAP_FILE)) {
		put_file_path(&r, ARG_SECURITY_MMAP_FILE_PATHNAME, file);
		put(r.s, ARG_SECURITY_MMAP_FILE_FLAGS, BPF_CORE_READ(file, f_flags));
		put(r.s, ARG_SECURITY_MMAP_FILE_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
		put(r.s, ARG_SECURITY_MMAP_FILE_INODE, BPF_CORE_READ(inode, i_ino));
		put(r.s, ARG_SECURITY_MMAP_FILE_CTIME, inode_ctime(inode));
		put_int(r.s, ARG_SECURITY_MMAP_FILE_PROT, prot);
		put_int(r.s, ARG_SECURITY_MMAP_FILE_MMAP_FLAGS, flags);
		rec_call(&r);
		put_int(r.s, ARG_SECURITY_MMAP_FILE_SYSCALL, HDR(r.s)->syscall);
		rec_send(&r);
	}
	if ((prot & (WRITE | EXEC)) != EXEC)
		return;
	if (rec_begin(&r, EVENT_SHARED_OBJECT_LOADED, ARGC_SHARED_OBJECT_LOADED)) {
		put_file_path(&r, ARG_SHARED_OBJECT_LOADED_PATHNAME, file);
		put(r.s, ARG_SHARED_OBJECT_LOADED_FLAGS, BPF_CORE_READ(file, f_flags));
		put(r.s, ARG_SHARED_OBJECT_LOADED_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
		put(r.s, ARG_SHARED_OBJECT_LOADED_INODE, BPF_CORE_READ(inode, i_ino));
		put(r.s, ARG_SHARED_OBJECT_LOADED_CTIME, inode_ctime(inode));
		rec_send(&r);
	}
}

static __always_inline void send_alert(enum alert alert, u64 addr, u64 len, u32 prot, u32 prev, struct file *file)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_MEM_PROT_ALERT, ARGC_MEM_PROT_ALERT))
		return;
	put(r.s, ARG_MEM_PROT_ALERT_ALERT, alert);
	put(r.s, ARG_MEM_PROT_ALERT_ADDR, addr);
	put(r.s, ARG_MEM_PROT_ALERT_LEN, len);
	put_int(r.s, ARG_MEM_PROT_ALERT_PROT, prot);
	put_int(r.s, ARG_MEM_PROT_ALERT_PREV_PROT, prev);
	if (file) {
		struct inode *inode = BPF_CORE_READ(file, f_inode);
		put_file_path(&r, ARG_MEM_PROT_ALERT_PATHNAME, file);
		put(r.s, ARG_MEM_PROT_ALERT_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
		put(r.s, ARG_MEM_PROT_ALERT_INODE, BPF_CORE_READ(inode, i_ino));
		put(r.s, ARG_MEM_PROT_ALERT_CTIME, inode_ctime(inode));
	}
	rec_send(&r);
}

HOOK(security_mmap_file, struct file *file, unsigned long prot, unsigned long flags)
{
	if (file)
		map_events(file, prot, flags);
	return 0;
}

/* The LSM hook has one argument more. */
SEC("lsm/mmap_file")
int BPF_PROG(mmap_file, struct file *file, unsigned long requested, unsigned long prot, unsigned long flags)
{
	if (file)
		map_events(file, requested, flags);
	return 0;
}

struct mmap_call {
	u32 prot, flags, fd;
	u64 len;
};

/* In registers, but for the oldest 32-bit call, which has them in memory. */
static __always_inline struct mmap_call mmap_call(struct pt_regs *regs)
{
	bool compat = is_compat(current_task());
	struct mmap_call c = {
		.len = syscall_arg(regs, 1, compat), .prot = syscall_arg(regs, 2, compat),
		.flags = syscall_arg(regs, 3, compat), .fd = syscall_arg(regs, 4, compat),
	};
	if (compat && syscall_nr(regs) == NR32_mmap) {
		u32 args[6] = {};
		bpf_probe_read_user(args, sizeof(args), (void *)syscall_arg(regs, 0, compat));
		c.len = args[1];
		c.prot = args[2];
		c.flags = args[3];
		c.fd = args[4];
	}
	return c;
}

static __always_inline void mmap_alert(struct mmap_call *c, long ret)
{
	if ((c->prot & (WRITE | EXEC)) == (WRITE | EXEC))
		send_alert(MMAP_WRITE_EXEC, ret, c->len, c->prot, 0, NULL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(mmap_exit, struct pt_regs *regs, long ret)
{
	if (ret < 0 && ret > -4096)
		goto out;
	struct mmap_call c = mmap_call(regs);
	mmap_alert(&c, ret);
	if (!(c.flags & MAP_ANONYMOUS)) {
		struct file *file = fd_file(current_task(), c.fd);
		if (file)
			map_events(file, c.prot, c.flags);
	}
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/* Memory that is writable and executable at once, where mmap_exit is not needed: the result is only known here. */
SEC("tp_btf/sys_exit")
int BPF_PROG(mmap_alert_exit, struct pt_regs *regs, long ret)
{
	if (!(ret < 0 && ret > -4096)) {
		struct mmap_call c = mmap_call(regs);
		mmap_alert(&c, ret);
	}
	return 0;
}

static __always_inline void protect_events(struct file *file, u32 prev, u32 prot, u64 addr, u64 len, int pkey)
{
	struct rec r;

	prev &= READ | WRITE | EXEC;
	if (rec_begin(&r, EVENT_SECURITY_FILE_MPROTECT, ARGC_SECURITY_FILE_MPROTECT)) {
		if (file) {
			put_file_path(&r, ARG_SECURITY_FILE_MPROTECT_PATHNAME, file);
			put(r.s, ARG_SECURITY_FILE_MPROTECT_CTIME, inode_ctime(BPF_CORE_READ(file, f_inode)));
		}
		put_int(r.s, ARG_SECURITY_FILE_MPROTECT_PROT, prot);
		put_int(r.s, ARG_SECURITY_FILE_MPROTECT_PREV_PROT, prev);
		put(r.s, ARG_SECURITY_FILE_MPROTECT_ADDR, addr);
		put(r.s, ARG_SECURITY_FILE_MPROTECT_LEN, len);
		put_int(r.s, ARG_SECURITY_FILE_MPROTECT_PKEY, pkey);
		rec_send(&r);
	}
	u32 alert = 0;
	if (!(prev & EXEC) && (prot & EXEC))
		alert = EXEC_ADDED;
	else if ((prev & (WRITE | EXEC)) == EXEC && (prot & (WRITE | EXEC)) == (WRITE | EXEC))
		alert = WRITE_ADDED;
	else if ((prev & (WRITE | EXEC)) == (WRITE | EXEC) && (prot & (WRITE | EXEC)) == EXEC)
		alert = WRITE_REMOVED;
	if (alert)
		send_alert(alert, addr, len, prot, prev, file);
}

static __always_inline int call_pkey(struct task_struct *task, bool compat)
{
	if (current_syscall(task, task_flags(task)) == SYSCALL(pkey_mprotect, compat))
		return current_arg(task, 3);
	return -1;
}

HOOK(security_file_mprotect, struct vm_area_struct *vma, unsigned long requested, unsigned long prot)
{
	struct task_struct *task = current_task();
	protect_events(BPF_CORE_READ(vma, vm_file), BPF_CORE_READ(vma, vm_flags), requested, current_arg(task, 0), current_arg(task, 1), call_pkey(task, is_compat(task)));
	return 0;
}

struct protect_call {
	u64 addr, len;
	u32 prot;
	int pkey;
	struct file *file;
	u64 prev;
};

static long on_vma(struct task_struct *task, struct vm_area_struct *vma, struct protect_call *c)
{
	c->file = BPF_CORE_READ(vma, vm_file);
	c->prev = BPF_CORE_READ(vma, vm_flags);
	return 0;
}

/* Before the change, when the former protection is still to be seen. */
SEC("tp_btf/sys_enter")
int BPF_PROG(mprotect_enter, struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool compat = is_compat(task);
	struct protect_call c = {
		.addr = syscall_arg(regs, 0, compat),
		.len = syscall_arg(regs, 1, compat),
		.prot = syscall_arg(regs, 2, compat),
		.pkey = syscall_nr(regs) == SYSCALL(pkey_mprotect, compat) ? (int)syscall_arg(regs, 3, compat) : -1,
	};
	if (!bpf_find_vma(task, c.addr, on_vma, &c, 0))
		protect_events(c.file, c.prev, c.prot, c.addr, c.len, c.pkey);
	bpf_tail_call(ctx, &after_enter_handler, 0);
	return 0;
}
