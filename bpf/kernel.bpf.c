/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* What changes the kernel, or its view of files. security_* programs load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void read_file_args(struct rec *r, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	put_file_path(r, ARG_SECURITY_KERNEL_READ_FILE_PATHNAME, file);
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_INODE, BPF_CORE_READ(inode, i_ino));
	put(r->s, ARG_SECURITY_KERNEL_READ_FILE_CTIME, inode_ctime(inode));
}

/* 5.8 and 5.9 had two more, for firmware from memory, before that of modules. */
enum kernel_read_file_id___x { READING_FIRMWARE_PREALLOC_BUFFER___x };

HOOK(security_kernel_read_file, struct file *file, u32 id)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_KERNEL_READ_FILE, ARGC_SECURITY_KERNEL_READ_FILE))
		return 0;
	if (file)
		read_file_args(&r, file);
	if (bpf_core_enum_value_exists(enum kernel_read_file_id___x, READING_FIRMWARE_PREALLOC_BUFFER___x) && id > 1)
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

HOOK(security_bpf, int cmd)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_BPF, ARGC_SECURITY_BPF))
		return 0;
	put_int(r.s, ARG_SECURITY_BPF_CMD, cmd);
	rec_send(&r);
	return 0;
}

HOOK(security_sb_mount, const char *dev_name, const struct path *path, const char *type, unsigned long flags)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SB_MOUNT, ARGC_SECURITY_SB_MOUNT))
		return 0;
	put_str(r.s, ARG_SECURITY_SB_MOUNT_DEV_NAME, dev_name, KERNEL);
	put_path(&r, ARG_SECURITY_SB_MOUNT_PATH, FIELD(path, dentry), FIELD(path, mnt));
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
	rec_call(&r);
	if (r.syscall == SYSCALL(finit_module, r.compat)) {
		struct file *file = fd_file(r.task, call_arg(r.task, 0, r.compat));
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

/* The list of modules around a module that is about to run its own code: one that hides unlinks itself there. */
static __always_inline void init_module_event(struct module *mod)
{
	struct rec r;
	struct list_head *next, *prev;
	if (!rec_begin(&r, EVENT_DO_INIT_MODULE, ARGC_DO_INIT_MODULE))
		return;
	put_str(r.s, ARG_DO_INIT_MODULE_NAME, mod->name, KERNEL);
	put_str(r.s, ARG_DO_INIT_MODULE_VERSION, BPF_CORE_READ(mod, version), KERNEL);
	put_str(r.s, ARG_DO_INIT_MODULE_SRC_VERSION, BPF_CORE_READ(mod, srcversion), KERNEL);
	next = BPF_CORE_READ(mod, list.next);
	prev = BPF_CORE_READ(mod, list.prev);
	put(r.s, ARG_DO_INIT_MODULE_PREV, (u64)prev);
	put(r.s, ARG_DO_INIT_MODULE_NEXT, (u64)next);
	put(r.s, ARG_DO_INIT_MODULE_PREV_NEXT, (u64)BPF_CORE_READ(prev, next));
	put(r.s, ARG_DO_INIT_MODULE_NEXT_PREV, (u64)BPF_CORE_READ(next, prev));
	rec_send(&r);
}

HOOK(do_init_module, struct module *mod)
{
	init_module_event(mod);
	return 0;
}

SEC("tp_btf/module_load")
int BPF_PROG(do_init_module_tp, struct module *mod)
{
	init_module_event(mod);
	return 0;
}

HOOK(security_sb_umount, struct vfsmount *mnt, int flags)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SB_UMOUNT, ARGC_SECURITY_SB_UMOUNT))
		return 0;
	put_path(&r, ARG_SECURITY_SB_UMOUNT_MOUNTPOINT, BPF_CORE_READ(mnt, mnt_root), mnt);
	put_str(r.s, ARG_SECURITY_SB_UMOUNT_TYPE, BPF_CORE_READ(mnt, mnt_sb, s_type, name), KERNEL);
	put_int(r.s, ARG_SECURITY_SB_UMOUNT_FLAGS, flags);
	rec_send(&r);
	return 0;
}

static __always_inline void kprobe_event(struct kprobe *p, int ret)
{
	struct rec r;
	if (ret || !rec_begin(&r, EVENT_KPROBE_ATTACH, ARGC_KPROBE_ATTACH))
		return;
	put_str(r.s, ARG_KPROBE_ATTACH_SYMBOL_NAME, BPF_CORE_READ(p, symbol_name), KERNEL);
	put(r.s, ARG_KPROBE_ATTACH_PRE_HANDLER_ADDR, (u64)BPF_CORE_READ(p, pre_handler));
	put(r.s, ARG_KPROBE_ATTACH_POST_HANDLER_ADDR, (u64)BPF_CORE_READ(p, post_handler));
	rec_send(&r);
}

SEC("fexit/register_kprobe")
int BPF_PROG(register_kprobe, struct kprobe *p, int ret)
{
	kprobe_event(p, ret);
	return 0;
}

/* What a thread is registering: at a function's return its arguments are gone. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u64);
} registering SEC(".maps");

SEC("kprobe/register_kprobe")
int BPF_KPROBE(register_kprobe_entry, struct kprobe *p)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 probe = (u64)p;
	bpf_map_update_elem(&registering, &tid, &probe, BPF_ANY);
	return 0;
}

SEC("kretprobe/register_kprobe")
int BPF_KRETPROBE(register_kprobe_return, int ret)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *probe = bpf_map_lookup_elem(&registering, &tid);
	if (probe) {
		kprobe_event((struct kprobe *)*probe, ret);
		bpf_map_delete_elem(&registering, &tid);
	}
	return 0;
}

#define MAX_HELPER_STRINGS 32

/* Saves an array of texts of the kernel, each with its NUL. */
static __always_inline void put_kernel_strings(struct scratch *s, u32 arg, char **array)
{
	u64 start = data_pos(s);
	if (!array || start >= REC_LIMIT)
		return;
	for (u32 i = 0; i < MAX_HELPER_STRINGS; i++) {
		char *p = NULL;
		u64 at = s->pos;
		if (bpf_probe_read_kernel(&p, sizeof(p), array + i) || !p || at >= REC_LIMIT)
			break;
		BOUND(at, 16383);
		long n = bpf_probe_read_kernel_str(s->rec + at, PATH_MAX, p);
		if (n <= 0)
			break;
		s->pos = at + n;
	}
	put_data(s, arg, start, s->pos - start);
}

HOOK(call_usermodehelper_exec, struct subprocess_info *info, int wait)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_CALL_USERMODEHELPER, ARGC_CALL_USERMODEHELPER))
		return 0;
	put_str(r.s, ARG_CALL_USERMODEHELPER_PATHNAME, BPF_CORE_READ(info, path), KERNEL);
	put_kernel_strings(r.s, ARG_CALL_USERMODEHELPER_ARGV, BPF_CORE_READ(info, argv));
	put_kernel_strings(r.s, ARG_CALL_USERMODEHELPER_ENVP, BPF_CORE_READ(info, envp));
	put_int(r.s, ARG_CALL_USERMODEHELPER_WAIT, wait);
	rec_send(&r);
	return 0;
}

/* Attributes of the system call bpf, uapi/linux/bpf.h. */
#define BPF_RAW_TRACEPOINT_OPEN 17
#define BPF_LINK_CREATE 28
struct raw_tracepoint_attr {
	u64 name;
	u32 prog_fd;
};
struct link_create_attr {
	u32 prog_fd, target_fd, attach_type, flags;
};
#define PERF_EVENT_IOC_SET_BPF 0x40042408

/*
 * The ways to attach a program to something in the kernel: a raw tracepoint or a function by the system call bpf, a perf
 * event (kprobe, uprobe, tracepoint) by ioctl or as a link.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(bpf_attach_exit, struct pt_regs *regs, long ret)
{
	struct rec r;
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	u32 prog_fd = -1, attach_type = 0, event_fd = -1;
	u64 name = 0;

	if (ret < 0)
		goto out;
	if (syscall_nr(regs) == SYSCALL(ioctl, compat)) {
		if ((u32)syscall_arg(regs, 1, compat) != PERF_EVENT_IOC_SET_BPF)
			goto out;
		event_fd = syscall_arg(regs, 0, compat);
		prog_fd = syscall_arg(regs, 2, compat);
	} else {
		u32 cmd = syscall_arg(regs, 0, compat);
		void *attr = (void *)syscall_arg(regs, 1, compat);
		if (cmd == BPF_RAW_TRACEPOINT_OPEN) {
			struct raw_tracepoint_attr a = {};
			bpf_probe_read_user(&a, sizeof(a), attr);
			prog_fd = a.prog_fd;
			name = a.name;
		} else if (cmd == BPF_LINK_CREATE) {
			struct link_create_attr a = {};
			bpf_probe_read_user(&a, sizeof(a), attr);
			prog_fd = a.prog_fd;
			event_fd = a.target_fd;
			attach_type = a.attach_type;
		} else {
			goto out;
		}
	}
	struct file *file = fd_file(task, prog_fd);
	if (!file || !rec_begin(&r, EVENT_BPF_ATTACH, ARGC_BPF_ATTACH))
		goto out;
	struct bpf_prog *prog = BPF_CORE_READ(file, private_data);
	struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux);
	put_int(r.s, ARG_BPF_ATTACH_PROG_TYPE, BPF_CORE_READ(prog, type));
	put_str(r.s, ARG_BPF_ATTACH_PROG_NAME, aux->name, KERNEL);
	put(r.s, ARG_BPF_ATTACH_PROG_ID, BPF_CORE_READ(aux, id));
	put_int(r.s, ARG_BPF_ATTACH_ATTACH_TYPE, attach_type);
	const char *function = BPF_CORE_READ(aux, attach_func_name);
	file = fd_file(task, event_fd);
	if (name)
		put_str(r.s, ARG_BPF_ATTACH_SYMBOL_NAME, (void *)name, USER);
	else if (function)
		put_str(r.s, ARG_BPF_ATTACH_SYMBOL_NAME, function, KERNEL);
	rec_send(&r);
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/* Which argument of __debugfs_create_file has the operations: the sixth, since 6.14 the seventh. Set by Go. */
const volatile u32 debugfs_operations = 5;

static __always_inline void debugfs_event(const char *name, u16 mode, struct dentry *parent, u64 operations)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_DEBUGFS_CREATE_FILE, ARGC_DEBUGFS_CREATE_FILE))
		return;
	put_str(r.s, ARG_DEBUGFS_CREATE_FILE_FILE_NAME, name, KERNEL);
	if (parent) {
		put_path(&r, ARG_DEBUGFS_CREATE_FILE_PATH, parent, NULL); /* below the root of debugfs, wherever that is mounted */
	} else {
		const char root[] = "/";
		put_str(r.s, ARG_DEBUGFS_CREATE_FILE_PATH, root, KERNEL);
	}
	put(r.s, ARG_DEBUGFS_CREATE_FILE_MODE, mode);
	put(r.s, ARG_DEBUGFS_CREATE_FILE_PROC_OPS_ADDR, operations);
	rec_send(&r);
}

/* Two loads: a program's context is read at constant places only. */
static __always_inline u64 operations_at(void *ctx)
{
	u64 word;
	if (debugfs_operations == 6)
		asm volatile("%0 = *(u64 *)(%1 + 48)" : "=r"(word) : "r"(ctx));
	else
		asm volatile("%0 = *(u64 *)(%1 + 40)" : "=r"(word) : "r"(ctx));
	return word;
}

SEC("fentry/__debugfs_create_file")
int __debugfs_create_file(u64 *args)
{
	debugfs_event((const char *)args[0], args[1], (struct dentry *)args[2], operations_at(args));
	return 0;
}

SEC("kprobe/__debugfs_create_file")
int __debugfs_create_file_kprobe(struct pt_regs *ctx)
{
	u64 operations;
#if defined(__TARGET_ARCH_x86)
	operations = ctx->r9;
	if (debugfs_operations == 6)
		bpf_probe_read_kernel(&operations, sizeof(operations), (void *)ctx->sp + 8); /* above the return address */
#else
	operations = operations_at(ctx);
#endif
	debugfs_event((const char *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), (struct dentry *)PT_REGS_PARM3(ctx), operations);
	return 0;
}

#define PEEK_MAX 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u8[PEEK_MAX]);
} peeked SEC(".maps");

/*
 * Reads the kernel's memory when the sensor asks for it: it is attached to nothing. Arguments: where, and how many bytes; none
 * is where the thread's own task_struct is.
 */
SEC("raw_tp/peek")
int peek(u64 *args)
{
	u32 zero = 0;
	u64 size = args[1];
	void *to = bpf_map_lookup_elem(&peeked, &zero);
	if (!to || size > PEEK_MAX)
		return -1;
	if (!size) {
		*(u64 *)to = bpf_get_current_task();
		return 0;
	}
	return bpf_probe_read_kernel(to, size, (void *)args[0]);
}
