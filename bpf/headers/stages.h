/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A system call has one handler behind the dispatcher. Programs that look at many system calls, whatever these are about,
 * come before it: they are the first stage, and end by calling the handler, which is then in these tables.
 */
#ifndef TOCSIN_STAGES_H
#define TOCSIN_STAGES_H

#include "syscall.h"

#define SECOND_STAGE(name)                             \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, MAX_SYSCALLS);     \
		__type(key, u32);                      \
		__type(value, u32);                    \
	} name SEC(".maps")

SECOND_STAGE(exit_second);
SECOND_STAGE(exit_second_compat);
SECOND_STAGE(enter_second);
SECOND_STAGE(enter_second_compat);

#define GO_ON(ctx, stage, nr, compat)                           \
	do {                                                    \
		if (compat)                                     \
			bpf_tail_call(ctx, &stage##_compat, nr); \
		else                                            \
			bpf_tail_call(ctx, &stage, nr);         \
	} while (0)

#endif
