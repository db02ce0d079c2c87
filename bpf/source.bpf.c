/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * Where a system call comes from: code and stack belong to certain mappings, and those of an exploit or of injected code
 * mostly do not. One program looks at the instruction and at the stack pointer of chosen system calls.
 */
#include "headers/sensor.h"
#include "headers/stages.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define VM_GROWSDOWN 0x100

#if defined(__TARGET_ARCH_x86)
#define USER_IP ip
#define USER_SP sp
#define GO_REGISTER r14
#else
#define USER_IP pc
#define USER_SP sp
#define GO_REGISTER regs[28]
#endif

/* The mapping that an address is in; start is 0 when there is none. */
struct area {
	u64 start, end, flags;
	bool anonymous;
};

static __always_inline void describe(struct area *a, struct vm_area_struct *vma)
{
	a->start = BPF_CORE_READ(vma, vm_start);
	a->end = BPF_CORE_READ(vma, vm_end);
	a->flags = BPF_CORE_READ(vma, vm_flags);
	a->anonymous = !BPF_CORE_READ((struct vm_area_struct___ops *)vma, vm_ops) && !BPF_CORE_READ(vma, vm_file); /* the vdso has operations */
}

static long on_area(struct task_struct *task, struct vm_area_struct *vma, struct area *a)
{
	describe(a, vma);
	return 0;
}

static __always_inline void find_area(struct area *a, struct task_struct *task, u64 addr)
{
	bpf_find_vma(task, addr, on_area, a, 0); /* fails while another thread changes mappings */
}

enum kind { OTHER, STACK, THREAD_STACK, HEAP, ANONYMOUS };

/* The register that points to a thread's own data, which C libraries keep in the mapping of the thread's stack. */
static __always_inline u64 thread_pointer(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ((struct task_struct___stacks *)task, thread.fsbase);
#else
	return BPF_CORE_READ((struct task_struct___stacks *)task, thread.uw.tp_value);
#endif
}

static __always_inline bool within(struct area *a, u64 addr) { return addr >= a->start && addr < a->end; }

static __always_inline enum kind kind_of(struct task_struct *task, struct area *a)
{
	struct mm_struct___areas *mm = (void *)BPF_CORE_READ(task, mm);
	if (a->flags & VM_GROWSDOWN || within(a, BPF_CORE_READ(mm, start_stack)))
		return STACK;
	if (!a->anonymous)
		return OTHER;
	u64 brk = BPF_CORE_READ(mm, start_brk);
	if (a->start >= brk && a->end <= BPF_CORE_READ(mm, brk) + 4096)
		return HEAP;
	return within(a, thread_pointer(task)) ? THREAD_STACK : ANONYMOUS;
}

static __always_inline void put_kind(struct scratch *s, u32 arg, enum kind kind)
{
	switch (kind) {
	case STACK:
		put_str(s, arg, "main stack", KERNEL);
		break;
	case THREAD_STACK:
		put_str(s, arg, "thread stack", KERNEL);
		break;
	case HEAP:
		put_str(s, arg, "heap", KERNEL);
		break;
	case ANONYMOUS:
		put_str(s, arg, "anonymous", KERNEL);
		break;
	case OTHER:
		put_str(s, arg, "other", KERNEL);
		break;
	}
}

/* Both events have the same arguments in the same order. */
static __always_inline void send(u32 event, struct area *a, enum kind kind, s32 nr, u64 addr)
{
	struct rec r;
	if (!rec_begin(&r, event, ARGC_STACK_PIVOT))
		return;
	put_int(r.s, ARG_STACK_PIVOT_SYSCALL, nr);
	put(r.s, ARG_STACK_PIVOT_SP, addr);
	put_kind(r.s, ARG_STACK_PIVOT_VMA_TYPE, kind);
	put(r.s, ARG_STACK_PIVOT_VMA_START, a->start);
	put(r.s, ARG_STACK_PIVOT_VMA_SIZE, a->end - a->start);
	put(r.s, ARG_STACK_PIVOT_VMA_FLAGS, a->flags);
	rec_send(&r);
}
_Static_assert(ARGC_STACK_PIVOT == ARGC_SUSPICIOUS_SYSCALL_SOURCE && ARG_STACK_PIVOT_SP == ARG_SUSPICIOUS_SYSCALL_SOURCE_IP &&
		       ARG_STACK_PIVOT_VMA_TYPE == ARG_SUSPICIOUS_SYSCALL_SOURCE_VMA_TYPE,
	       "send fills both events");

/* Whether sp is in the stack of the goroutine whose descriptor, which begins with the stack's bounds, is at g. */
static __always_inline bool in_goroutine(u64 g, u64 sp)
{
	u64 bounds[2] = {};
	bpf_probe_read_user(bounds, sizeof(bounds), (void *)g);
	return sp >= bounds[0] && sp < bounds[1] && bounds[1] - bounds[0] <= 1 << 30;
}

/* Stacks that are none of the thread's own, and are right all the same. */
static __always_inline bool borrowed_stack(struct task_struct *task, u64 go, u64 sp)
{
	struct task_struct___stacks *more = (void *)task;
	u64 alt = BPF_CORE_READ(more, sas_ss_sp);
	if (sp >= alt && sp < alt + BPF_CORE_READ(more, sas_ss_size))
		return true; /* of signal handlers */
	/* Go keeps the descriptor in a register, and before 1.17 on x86-64 in front of the thread's own data. */
	if (in_goroutine(go, sp))
		return true;
#if defined(__TARGET_ARCH_x86)
	u64 g = 0;
	bpf_probe_read_user(&g, sizeof(g), (void *)(thread_pointer(task) - 8));
	if (in_goroutine(g, sp))
		return true;
#endif
	/* posix_spawn gives its child a stack in the memory that it shares with it until it executes. */
	return BPF_CORE_READ(more, vfork_done) && BPF_CORE_READ(task, mm) == BPF_CORE_READ(task, real_parent, mm);
}

static __always_inline void check_source(struct task_struct *task, s32 nr, u64 ip, u64 sp, u64 go)
{
	u32 source = EVENT_SUSPICIOUS_SYSCALL_SOURCE, pivot = EVENT_STACK_PIVOT;
	struct event_config *cfg = bpf_map_lookup_elem(&event_configs, &source);

	if (cfg && cfg->flags & WANTED) {
		struct area a = {};
		find_area(&a, task, ip);
		enum kind kind = a.start ? kind_of(task, &a) : OTHER;
		if (kind != OTHER)
			send(source, &a, kind, nr, ip);
	}
	cfg = bpf_map_lookup_elem(&event_configs, &pivot);
	if (cfg && cfg->flags & WANTED) {
		struct area a = {};
		find_area(&a, task, sp);
		enum kind kind = a.start ? kind_of(task, &a) : STACK;
		if (kind != STACK && kind != THREAD_STACK && !borrowed_stack(task, go, sp))
			send(pivot, &a, kind, nr, sp);
	}
}

SEC("tp_btf/sys_enter")
int BPF_PROG(source_enter, struct pt_regs *regs)
{
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	s32 nr = syscall_nr(regs);

	check_source(task, nr, regs->USER_IP, regs->USER_SP, regs->GO_REGISTER);
	GO_ON(ctx, enter_second, nr, compat);
	return 0;
}

/* The same on a function of the kernel that the system call runs into: others do not pay. */
static __always_inline int check_caller(void)
{
	struct task_struct *task = current_task();
	s32 nr = current_syscall(task, task_flags(task));
	if (nr < 0)
		return 0;
	if (REGS_HELPER) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
		check_source(task, nr, regs->USER_IP, regs->USER_SP, regs->GO_REGISTER);
	} else {
		struct pt_regs *saved = saved_regs(task);
		check_source(task, nr, BPF_CORE_READ(saved, USER_IP), BPF_CORE_READ(saved, USER_SP), BPF_CORE_READ(saved, GO_REGISTER));
	}
	return 0;
}

SEC("fentry/security_bpf")
int source_function(void *ctx)
{
	return check_caller();
}

SEC("kprobe/security_bpf")
int source_function_kprobe(struct pt_regs *ctx)
{
	return check_caller();
}
