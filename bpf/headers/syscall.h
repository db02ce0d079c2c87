/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Programs on system calls run at their exit: one tracepoint instead of two, the pages of the arguments have been
 * touched by then, and the result is known. The same program works as tp_btf/sys_exit, called from a dispatcher,
 * and as fexit of one system call's function: both have (struct pt_regs *, long) as context.
 */
#ifndef TOCSIN_SYSCALL_H
#define TOCSIN_SYSCALL_H

#include "sensor.h"

#if defined(__TARGET_ARCH_x86)
#define ARG0 di
#define ARG1 si
#define ARG2 dx
#define ARG3 r10
#define ARG4 r8
#define ARG5 r9
#define COMPAT0 bx
#define COMPAT1 cx
#define COMPAT2 dx
#define COMPAT3 si
#define COMPAT4 di
#define COMPAT5 bp
#else
#define ARG0 orig_x0
#define ARG1 regs[1]
#define ARG2 regs[2]
#define ARG3 regs[3]
#define ARG4 regs[4]
#define ARG5 regs[5]
#define COMPAT0 ARG0
#define COMPAT1 ARG1
#define COMPAT2 ARG2
#define COMPAT3 ARG3
#define COMPAT4 ARG4
#define COMPAT5 ARG5
#endif

#define PICK_ARG(READ, regs, n, compat)                    \
	({                                                 \
		u64 v;                                     \
		if (compat) {                              \
			switch (n) {                       \
			case 0: v = READ(regs, COMPAT0); break; \
			case 1: v = READ(regs, COMPAT1); break; \
			case 2: v = READ(regs, COMPAT2); break; \
			case 3: v = READ(regs, COMPAT3); break; \
			case 4: v = READ(regs, COMPAT4); break; \
			default: v = READ(regs, COMPAT5); break; \
			}                                  \
			v = (u32)v;                        \
		} else {                                   \
			switch (n) {                       \
			case 0: v = READ(regs, ARG0); break; \
			case 1: v = READ(regs, ARG1); break; \
			case 2: v = READ(regs, ARG2); break; \
			case 3: v = READ(regs, ARG3); break; \
			case 4: v = READ(regs, ARG4); break; \
			default: v = READ(regs, ARG5); break; \
			}                                  \
		}                                          \
		v;                                         \
	})
#define READ_TYPED(regs, field) ((regs)->field)

/* Argument n (0 to 5) of the system call whose registers a program was given. */
static __always_inline u64 syscall_arg(struct pt_regs *regs, u32 n, bool compat)
{
	return PICK_ARG(READ_TYPED, regs, n, compat);
}

/* Argument n of the system call that the current task is in. */
static __always_inline u64 call_arg(struct task_struct *task, u32 n, bool compat)
{
	if (REGS_HELPER) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
		return syscall_arg(regs, n, compat);
	}
	struct pt_regs *saved = saved_regs(task);
	return PICK_ARG(BPF_CORE_READ, saved, n, compat);
}

static __always_inline u64 current_arg(struct task_struct *task, u32 n)
{
	return call_arg(task, n, is_compat(task));
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
#define NR_execveat 322
#define NR_finit_module 313
#define NR_pwrite64 18
#define NR_writev 20
#define NR_mmap 9
#define NR_mmap2 -1
#define NR_mprotect 10
#define NR_pkey_mprotect 329
#define NR_sendto 44
#define NR_sendmsg 46
#define NR_connect 42
#define NR_bind 49
#define NR_listen 50
#define NR_accept 43
#define NR_accept4 288
#define NR_socketcall -1
#define NR_bpf 321
#define NR_ioctl 16
#define NR_setns 308
#define NR_unshare 272
#define NR_ftruncate 77
#define NR_fallocate 285
#define NR_splice 275
#define NR_copy_file_range 326
#define NR32_ftruncate 93
#define NR32_fallocate 324
#define NR32_splice 313
#define NR32_copy_file_range 377
#define NR32_open 5
#define NR32_creat 8
#define NR32_openat 295
#define NR32_openat2 437
#define NR32_fcntl 55
#define NR32_execve 11
#define NR32_execveat 358
#define NR32_finit_module 350
#define NR32_pwrite64 181
#define NR32_writev 146
#define NR32_mmap 90 /* its arguments are in memory */
#define NR32_mmap2 192
#define NR32_mprotect 125
#define NR32_pkey_mprotect 380
#define NR32_sendto 369
#define NR32_sendmsg 370
#define NR32_connect 362
#define NR32_bind 361
#define NR32_listen 363
#define NR32_accept -1
#define NR32_accept4 364
#define NR32_socketcall 102
#define NR32_bpf 357
#define NR32_ioctl 54
#define NR32_setns 346
#define NR32_unshare 310
#else
#define NR_open -1
#define NR_creat -1
#define NR_openat 56
#define NR_openat2 437
#define NR_fcntl 25
#define NR_execve 221
#define NR_execveat 281
#define NR_finit_module 273
#define NR_pwrite64 68
#define NR_writev 66
#define NR_mmap 222
#define NR_mmap2 -1
#define NR_mprotect 226
#define NR_pkey_mprotect 288
#define NR_sendto 206
#define NR_sendmsg 211
#define NR_connect 203
#define NR_bind 200
#define NR_listen 201
#define NR_accept 202
#define NR_accept4 242
#define NR_socketcall -1
#define NR_bpf 280
#define NR_ioctl 29
#define NR_setns 268
#define NR_unshare 97
#define NR_ftruncate 46
#define NR_fallocate 47
#define NR_splice 76
#define NR_copy_file_range 285
#define NR32_ftruncate 93
#define NR32_fallocate 352
#define NR32_splice 340
#define NR32_copy_file_range 391
#define NR32_open 5
#define NR32_creat 8
#define NR32_openat 322
#define NR32_openat2 437
#define NR32_fcntl 55
#define NR32_execve 11
#define NR32_execveat 387
#define NR32_finit_module 379
#define NR32_pwrite64 181
#define NR32_writev 146
#define NR32_mmap -1
#define NR32_mmap2 192
#define NR32_mprotect 125
#define NR32_pkey_mprotect 394
#define NR32_sendto 290
#define NR32_sendmsg 296
#define NR32_connect 283
#define NR32_bind 282
#define NR32_listen 284
#define NR32_accept 285
#define NR32_accept4 366
#define NR32_socketcall 102 /* of the old ABI */
#define NR32_bpf 386
#define NR32_ioctl 54
#define NR32_setns 375
#define NR32_unshare 337
#endif
#define SYSCALL(name, compat) ((compat) ? NR32_##name : NR_##name)

/* After the handler of a system call, the program that records the call itself; before that, a second handler of some. */
enum { RECORDER, SECOND_HANDLER };
#define NEXT_PROGRAM(name)                             \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, 2);                \
		__type(key, u32);                      \
		__type(value, u32);                    \
	} name SEC(".maps")

NEXT_PROGRAM(after_handler);
NEXT_PROGRAM(after_enter_handler);

#endif
