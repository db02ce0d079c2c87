/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Programs on system calls run at their exit: one tracepoint instead of two, the pages of the arguments have been
 * touched by then, and the result is known. The same program works as tp_btf/sys_exit, called from a dispatcher,
 * and as fexit of one system call's function: both have (struct pt_regs *, long) as context.
 */
#ifndef TOCSIN_SYSCALL_H
#define TOCSIN_SYSCALL_H

#include "sensor.h"

/* Argument n (0 to 5) of a system call. Never from the compat registers unless compat is set. */
static __always_inline u64 syscall_arg(struct pt_regs *regs, u32 n, bool compat)
{
#if defined(__TARGET_ARCH_x86)
	u64 v;
	if (compat) {
		switch (n) {
		case 0: v = regs->bx; break;
		case 1: v = regs->cx; break;
		case 2: v = regs->dx; break;
		case 3: v = regs->si; break;
		case 4: v = regs->di; break;
		default: v = regs->bp; break;
		}
		return (u32)v;
	}
	switch (n) {
	case 0: return regs->di;
	case 1: return regs->si;
	case 2: return regs->dx;
	case 3: return regs->r10;
	case 4: return regs->r8;
	default: return regs->r9;
	}
#else
	u64 v;
	switch (n) {
	case 0: v = regs->orig_x0; break;
	case 1: v = regs->regs[1]; break;
	case 2: v = regs->regs[2]; break;
	case 3: v = regs->regs[3]; break;
	case 4: v = regs->regs[4]; break;
	default: v = regs->regs[5]; break;
	}
	return compat ? (u32)v : v;
#endif
}

#define MAX_SYSCALLS 512

/* asm/unistd_64.h, asm/unistd_32.h; asm-generic/unistd.h, arch/arm/tools/syscall.tbl. -1: does not exist. */
#if defined(__TARGET_ARCH_x86)
#define NR_open 2
#define NR_creat 85
#define NR_openat 257
#define NR_openat2 437
#define NR_fcntl 72
#define NR_execve 59
#define NR32_execve 11
#define NR_finit_module 313
#define NR32_fcntl 55
#define NR32_finit_module 350
#define NR32_open 5
#define NR32_creat 8
#define NR32_openat 295
#define NR32_openat2 437
#else
#define NR_open -1
#define NR_creat -1
#define NR_openat 56
#define NR_openat2 437
#define NR_fcntl 25
#define NR_execve 221
#define NR32_execve 11
#define NR_finit_module 273
#define NR32_fcntl 55
#define NR32_finit_module 379
#define NR32_open 5
#define NR32_creat 8
#define NR32_openat 322
#define NR32_openat2 437
#endif
#define SYSCALL(name, compat) ((compat) ? NR32_##name : NR_##name)

/* The registers that the current task entered the kernel with; NULL where 5.15's helper is missing. */
static __always_inline struct pt_regs *task_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs___x))
		return (struct pt_regs *)bpf_task_pt_regs(task);
	return NULL;
}

#endif
