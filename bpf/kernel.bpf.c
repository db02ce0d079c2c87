/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* What changes the kernel, or its view of files. security_* programs load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} after_handler SEC(".maps");

static __always_inline void read_file_args(struct rec *r, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	put_file_path(r, ARG_SECURITY_KERNEL_READ_FILE_PATHNAME, file);
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_INODE, BPF_CORE_READ(inode, i_ino));
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_CTIME, inode_ctime(inode));
}

/* enum kernel_read_file_id of 5.8 and 5.9 had members for firmware from memory, since removed. */
const volatile bool old_read_ids;

SEC("fentry/security_kernel_read_file")
int BPF_PROG(security_kernel_read_file, struct file *file, u32 id)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_KERNEL_READ_FILE, ARGC_SECURITY_KERNEL_READ_FILE))
		return 0;
	if (file)
		read_file_args(&r, file);
	if (old_read_ids && id > 1)
		id = id < 4 ? 1 : id - 2;
	put(r.s, ARG_SECURITY_KERNEL_READ_FILE_TYPE, id);
	rec_send(&r);
	return 0;
}

#define READING_MODULE 2

SEC("tp_btf/sys_exit")
int BPF_PROG(finit_module_exit, struct pt_regs *regs, long ret)
{
	struct rec r;
	if (rec_begin(&r, EVENT_SECURITY_KERNEL_READ_FILE, ARGC_SECURITY_KERNEL_READ_FILE)) {
		struct file *file = fd_file(r.task, syscall_arg(regs, 0, is_compat(r.task)));
		if (file) {
			read_file_args(&r, file);
			put(r.s, ARG_SECURITY_KERNEL_READ_FILE_TYPE, READING_MODULE);
			HDR(r.s)->return_value = ret;
			rec_send(&r);
		} else {
			rec_drop(&r);
		}
	}
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

SEC("fentry/security_bpf")
int BPF_PROG(security_bpf, int cmd)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_BPF, ARGC_SECURITY_BPF))
		return 0;
	put_int(r.s, ARG_SECURITY_BPF_CMD, cmd);
	rec_send(&r);
	return 0;
}

SEC("fentry/security_sb_mount")
int BPF_PROG(security_sb_mount, const char *dev_name, const struct path *path, const char *type, unsigned long flags)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SB_MOUNT, ARGC_SECURITY_SB_MOUNT))
		return 0;
	put_str(r.s, ARG_SECURITY_SB_MOUNT_DEV_NAME, dev_name, KERNEL);
	put_path(&r, ARG_SECURITY_SB_MOUNT_PATH, path->dentry, path->mnt);
	put_str(r.s, ARG_SECURITY_SB_MOUNT_TYPE, type, KERNEL);
	put(r.s, ARG_SECURITY_SB_MOUNT_FLAGS, flags);
	rec_send(&r);
	return 0;
}

SEC("tp_btf/module_load")
int BPF_PROG(module_load, struct module *mod)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_MODULE_LOAD, ARGC_MODULE_LOAD))
		return 0;
	put_str(r.s, ARG_MODULE_LOAD_NAME, mod->name, KERNEL);
	put_str(r.s, ARG_MODULE_LOAD_VERSION, mod->version, KERNEL);
	put_str(r.s, ARG_MODULE_LOAD_SRC_VERSION, mod->srcversion, KERNEL);
	/* Loaded from a descriptor: the file is known. */
	if (current_syscall(r.task, task_flags(r.task)) == SYSCALL(finit_module, is_compat(r.task))) {
		struct file *file = fd_file(r.task, current_arg(r.task, 0));
		if (file) {
			struct inode *inode = BPF_CORE_READ(file, f_inode);
			put_file_path(&r, ARG_MODULE_LOAD_PATHNAME, file);
			put(r.s, ARG_MODULE_LOAD_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
			put(r.s, ARG_MODULE_LOAD_INODE, BPF_CORE_READ(inode, i_ino));
			put(r.s, ARG_MODULE_LOAD_CTIME, inode_ctime(inode));
		}
	}
	rec_send(&r);
	return 0;
}
