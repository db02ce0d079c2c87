/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * System calls. The dispatchers are all that an unselected system call pays for on kernels without fentry; one
 * program records the arguments of every system call, after a description that Go writes.
 */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROG_TABLE(name)                              \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, MAX_SYSCALLS);    \
		__type(key, u32);                     \
		__type(value, u32);                   \
	} name SEC(".maps")

PROG_TABLE(exit_table);
PROG_TABLE(exit_table_compat);
PROG_TABLE(enter_table);
PROG_TABLE(enter_table_compat);

/*
 * A byte for each number, of a native or a 32-bit system call, that a table has a program for: all that most calls are
 * asked. The tables check numbers that are out of range.
 */
u8 wanted_calls[2 * MAX_SYSCALLS] SEC(".data.dispatch"); /* at their exit, at their entry */

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long ret)
{
	long nr = syscall_nr(regs);
	if (!wanted_calls[nr & (MAX_SYSCALLS - 1)])
		return 0;
	if (is_compat(current_task()))
		bpf_tail_call(ctx, &exit_table_compat, nr);
	else
		bpf_tail_call(ctx, &exit_table, nr);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(sys_enter, struct pt_regs *regs, long nr)
{
	if (!wanted_calls[MAX_SYSCALLS + (nr & (MAX_SYSCALLS - 1))])
		return 0;
	if (is_compat(current_task()))
		bpf_tail_call(ctx, &enter_table_compat, nr);
	else
		bpf_tail_call(ctx, &enter_table, nr);
	return 0;
}

/* How an argument of an event comes from a register. Go has the same numbers. */
enum source {
	FROM_NOTHING,
	FROM_INT,
	FROM_LONG,
	FROM_U32,
	FROM_U16,
	FROM_STRING,
	FROM_STRINGS,
	FROM_SOCKADDR, /* its length is in the next register */
	FROM_ZERO,
	FROM_CWD, /* the number that stands for the working directory */
	FROM_FD_PATH, /* the file of the descriptor */
	FROM_PATH, /* made absolute with the working directory */
	FROM_AT_PATH, /* made absolute with the directory in the register before */
	FROM_FILLED_SOCKADDR, /* by the system call; the next register points to its length */
};

#define MAX_MAPPED_ARGS 16
#define MAX_MAPPINGS 4096

enum result { ANY_RESULT, ON_SUCCESS, ON_FAILURE };

struct syscall_mapping {
	u16 event;
	u16 next; /* another event from the same system call; 0: none */
	u8 argc;
	u8 at_enter;
	u8 result; /* record only what succeeded, or failed */
	u8 unless_reg; /* not when this register has one of these bits */
	u32 unless;
	struct {
		u8 source;
		u8 reg;
	} args[MAX_MAPPED_ARGS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_MAPPINGS);
	__type(key, u32);
	__type(value, struct syscall_mapping);
} syscall_mappings SEC(".maps");

/* First mapping by number; compat system calls follow the native ones. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * MAX_SYSCALLS);
	__type(key, u32);
	__type(value, u32);
} syscall_events SEC(".maps");

#define COMPAT 0x100

/*
 * Saves one argument. Global: verified once, not for every argument of every system call.
 * The scratch's number and COMPAT share a parameter, of which there are five.
 */
__noinline int put_syscall_arg(u32 slot_compat, u32 arg, u32 source, u64 value, u64 next)
{
	bool compat = slot_compat & COMPAT;
	u32 slot = slot_compat & (COMPAT - 1);
	struct scratch *s = scratch_at(slot);
	if (!s)
		return 0;
	switch (source) {
	case FROM_INT:
		put_int(s, arg, value);
		break;
	case FROM_LONG:
		put(s, arg, value);
		break;
	case FROM_U32:
		put(s, arg, (u32)value);
		break;
	case FROM_U16:
		put(s, arg, (u16)value);
		break;
	case FROM_STRING:
		put_str(s, arg, (void *)value, USER);
		break;
	case FROM_STRINGS:
		put_user_strings(s, arg, value, compat);
		break;
	case FROM_SOCKADDR:
		put_bytes(s, arg, (void *)value, (u32)next, 128, USER);
		break;
	case FROM_FILLED_SOCKADDR: {
		u32 len = 0;
		bpf_probe_read_user(&len, sizeof(len), (void *)next);
		if (value && len)
			put_bytes(s, arg, (void *)value, len, 128, USER);
		break;
	}
	case FROM_ZERO:
		put(s, arg, 0);
		break;
	case FROM_CWD:
		put_int(s, arg, AT_FDCWD);
		break;
	case FROM_PATH:
		put_at_path(s, slot, arg, AT_FDCWD, (void *)value, USER);
		break;
	case FROM_AT_PATH:
		put_at_path(s, slot, arg, value, (void *)next, USER);
		break;
	case FROM_FD_PATH: {
		struct file *file = fd_file(current_task(), value);
		if (!file)
			break;
		walk(s, slot, arg, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
		break;
	}
	}
	return 0;
}

/* Notes the arguments by number: the choice among registers is made here, not at each use. */
static __always_inline void save_args(struct scratch *s, struct pt_regs *regs, bool compat)
{
	if (compat) {
		s->regs[0] = (u32)regs->COMPAT0;
		s->regs[1] = (u32)regs->COMPAT1;
		s->regs[2] = (u32)regs->COMPAT2;
		s->regs[3] = (u32)regs->COMPAT3;
		s->regs[4] = (u32)regs->COMPAT4;
		s->regs[5] = (u32)regs->COMPAT5;
	} else {
		s->regs[0] = regs->ARG0;
		s->regs[1] = regs->ARG1;
		s->regs[2] = regs->ARG2;
		s->regs[3] = regs->ARG3;
		s->regs[4] = regs->ARG4;
		s->regs[5] = regs->ARG5;
	}
}

/*
 * Records one event from the call whose arguments are in the scratch buffer of the given number, by the mapping of the given index.
 * Global, so that the verifier looks at it once, however many events come from one call. Returns the next mapping.
 */
__noinline int record(u32 call_compat, u32 index, u32 enter)
{
	struct scratch *call = scratch_at(call_compat & (COMPAT - 1));
	struct syscall_mapping *m = bpf_map_lookup_elem(&syscall_mappings, &index);
	struct rec r;
	if (!m || !call)
		return 0;
	long ret = call->ret;
	if (m->at_enter != enter || (m->result == ON_SUCCESS && ret < 0) || (m->result == ON_FAILURE && ret >= 0) ||
	    (m->unless && (call->regs[m->unless_reg & 7] & m->unless)) || !rec_begin(&r, m->event, m->argc))
		return m->next;
	HDR(r.s)->return_value = ret;
	for (u32 i = 0; i < MAX_MAPPED_ARGS; i++) {
		if (i >= m->argc)
			break;
		u32 reg = m->args[i].reg;
		if (m->args[i].source)
			put_syscall_arg(r.slot | (call_compat & COMPAT), i, m->args[i].source, call->regs[reg & 7], call->regs[(reg + 1) & 7]);
	}
	rec_send(&r);
	return m->next;
}

static __always_inline void record_all(struct pt_regs *regs, long ret, u32 enter)
{
	bool compat = is_compat(current_task());
	u32 nr = syscall_nr(regs);
	if (nr >= MAX_SYSCALLS)
		return;
	if (compat)
		nr += MAX_SYSCALLS;
	u32 *first = bpf_map_lookup_elem(&syscall_events, &nr);
	if (!first || !*first)
		return;
	u32 index = *first, slot = 0;
	struct scratch *call = scratch_take(&slot);
	if (!call)
		return; /* the events' own buffers are taken, too: they count it */
	save_args(call, regs, compat);
	call->ret = ret;
	for (int i = 0; i < 3 && index; i++)
		index = record(slot | (compat ? COMPAT : 0), index, enter);
	scratch_give(call);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long ret)
{
	record_all(regs, ret, 0);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(syscall_enter, struct pt_regs *regs)
{
	record_all(regs, 0, 1);
	return 0;
}
