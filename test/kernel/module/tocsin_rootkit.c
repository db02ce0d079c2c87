/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What rootkits do to a kernel, for tests in a machine of their own: each thing can be undone, and nothing is concealed
 * from users by it. Words written to /sys/kernel/debug/tocsin_rootkit/control, or given as the parameter "do", are
 *
 *	syscall  an entry of the system-call table (parameter "table": its address) leads into this module: acct
 *	fops     the folder /proc lists itself by a function of this module
 *	iops     the same, by other file operations of its inode
 *	seq      /proc/net/tcp shows itself by a function of this module
 *	seqptr   the same, by other sequence operations of its entry in /proc
 *	ftrace   a function of the kernel calls this module through ftrace: the one of the parameter "function"
 *	hide     this module is on no list of modules
 *	undo     all of that is as it was
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <asm/unistd.h>

static char *todo = "";
module_param_named(do, todo, charp, 0400);
static unsigned long table;
module_param(table, ulong, 0400);
static char *function = "__x64_sys_acct";
module_param(function, charp, 0400);

/* Writes a pointer that may lie in memory of the kernel that is mapped for reading, by a mapping of its own. */
static int poke(void *at, void *value)
{
	struct page *page = virt_to_page(at);
	void *map = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	if (!map)
		return -ENOMEM;
	WRITE_ONCE(*(void **)(map + offset_in_page(at)), value);
	vunmap(map);
	return 0;
}

static struct {
	void *at, *old;
} poked[8];
static int npoked;

static int hook(const void *at, void *value)
{
	if (npoked == ARRAY_SIZE(poked))
		return -ENOSPC;
	poked[npoked].at = (void *)at;
	poked[npoked].old = *(void **)at;
	npoked++;
	return poke((void *)at, value);
}

static asmlinkage long hooked_acct(const struct pt_regs *regs)
{
	return -ENOSYS;
}

static struct file_operations fops;
static int (*list_proc)(struct file *, struct dir_context *);

static int hooked_iterate(struct file *file, struct dir_context *ctx)
{
	return list_proc(file, ctx);
}

static int hook_proc(bool whole)
{
	struct file *root = filp_open("/proc", O_RDONLY | O_DIRECTORY, 0);
	int err;

	if (IS_ERR(root))
		return PTR_ERR(root);
	list_proc = root->f_op->iterate_shared;
	if (whole) {
		fops = *root->f_op;
		fops.iterate_shared = hooked_iterate;
		err = hook(&file_inode(root)->i_fop, &fops);
	} else {
		err = hook(&root->f_op->iterate_shared, hooked_iterate);
	}
	filp_close(root, NULL);
	return err;
}

static struct seq_operations seq_ops;
static int (*show_tcp)(struct seq_file *, void *);

static int hooked_show(struct seq_file *seq, void *v)
{
	return show_tcp(seq, v);
}

/* Where the entry of a file in /proc keeps its sequence operations is not for modules to know: it is looked for. */
static const void *seq_ops_of_entry(struct file *file, const struct seq_operations *ops)
{
	const void **inode = (const void **)file_inode(file);
	int i, j;

	for (i = 1; i < 16; i++) { /* struct proc_inode, before the inode */
		const void **entry = (const void **)inode[-i];

		if ((unsigned long)entry < PAGE_OFFSET || !virt_addr_valid(entry))
			continue;
		for (j = 0; j < 20; j++)
			if (entry[j] == ops)
				return &entry[j];
	}
	return NULL;
}

static int hook_seq(bool whole)
{
	struct file *tcp = filp_open("/proc/net/tcp", O_RDONLY, 0);
	const struct seq_operations *ops;
	const void *at;
	int err;

	if (IS_ERR(tcp))
		return PTR_ERR(tcp);
	ops = ((struct seq_file *)tcp->private_data)->op;
	show_tcp = ops->show;
	if (whole) {
		seq_ops = *ops;
		seq_ops.show = hooked_show;
		at = seq_ops_of_entry(tcp, ops);
		err = at ? hook(at, &seq_ops) : -ENOENT;
	} else {
		err = hook(&ops->show, hooked_show);
	}
	filp_close(tcp, NULL);
	return err;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
static void notrace traced(unsigned long ip, unsigned long parent, struct ftrace_ops *ops, struct pt_regs *regs)
#else
static void notrace traced(unsigned long ip, unsigned long parent, struct ftrace_ops *ops, struct ftrace_regs *regs)
#endif
{
}

static struct ftrace_ops trace_ops = {
	.func = traced,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};
static bool tracing;

static int hook_ftrace(void)
{
	int err = ftrace_set_filter(&trace_ops, function, strlen(function), 1);

	if (!err)
		err = register_ftrace_function(&trace_ops);
	tracing = !err;
	return err;
}

/* Neighbours on the lists of modules and of their folders in /sys, while this one is on neither. */
static struct list_head *module_before;
static struct kobject *parent;

static int hide(void)
{
	module_before = THIS_MODULE->list.prev;
	parent = THIS_MODULE->mkobj.kobj.parent;
	list_del(&THIS_MODULE->list);
	kobject_del(&THIS_MODULE->mkobj.kobj);
	return 0;
}

static void undo(void)
{
	while (npoked) {
		npoked--;
		poke(poked[npoked].at, poked[npoked].old);
	}
	if (tracing) {
		unregister_ftrace_function(&trace_ops);
		tracing = false;
	}
	if (module_before) {
		list_add(&THIS_MODULE->list, module_before);
		if (kobject_add(&THIS_MODULE->mkobj.kobj, parent, "%s", THIS_MODULE->name))
			pr_warn("tocsin_rootkit: its folder in /sys/module is gone\n");
		module_before = NULL;
	}
}

static int act(char *words)
{
	char *word;
	int err = 0;

	while (!err && (word = strsep(&words, " ,\n"))) {
		if (!strcmp(word, "syscall"))
			err = table ? hook((void **)table + __NR_acct, hooked_acct) : -EINVAL;
		else if (!strcmp(word, "fops") || !strcmp(word, "iops"))
			err = hook_proc(*word == 'i');
		else if (!strcmp(word, "seq") || !strcmp(word, "seqptr"))
			err = hook_seq(word[3]);
		else if (!strcmp(word, "ftrace"))
			err = hook_ftrace();
		else if (!strcmp(word, "hide"))
			err = hide();
		else if (!strcmp(word, "undo"))
			undo();
		else if (*word)
			err = -EINVAL;
	}
	return err;
}

static ssize_t control_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char words[64];
	int err;

	if (len >= sizeof(words))
		return -EINVAL;
	if (copy_from_user(words, from, len))
		return -EFAULT;
	words[len] = 0;
	err = act(words);
	return err ? err : len;
}

static const struct file_operations control = {
	.owner = THIS_MODULE,
	.write = control_write,
};
static struct dentry *dir;

static int __init start(void)
{
	char words[64];
	int err;

	strscpy(words, todo, sizeof(words));
	dir = debugfs_create_dir("tocsin_rootkit", NULL);
	debugfs_create_file("control", 0200, dir, NULL, &control);
	err = act(words);
	if (err) {
		undo();
		debugfs_remove(dir);
	}
	return err;
}

static void __exit stop(void)
{
	undo();
	debugfs_remove(dir);
}

module_init(start);
module_exit(stop);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Does what rootkits do, for tests in a machine of their own");
MODULE_VERSION("1");
