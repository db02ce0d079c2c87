/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What every program shares: constants set at load time, maps, and how a record is begun, filled and sent.
 *
 * A record is built in a per-CPU scratch buffer, because its size is known only at the end, and copied into the
 * ring. Programs attached by trampolines may be preempted by another task on the same CPU, so a CPU has several
 * buffers, each taken and released by a counter. All cursors live in the buffer, not in registers: the verifier
 * then sees the same state whatever was saved before, and functions can be verified once.
 */
#ifndef TOCSIN_SENSOR_H
#define TOCSIN_SENSOR_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "event.gen.h"

#define PATH_MAX 4096
#define MAX_EVENTS 1024
#define SCRATCHES 6 /* per CPU */
#define REC_LIMIT 16384 /* no argument starts beyond it */
#define SLOTS_AT sizeof(struct event_header)
#define HOST_LEN 64 /* what the kernel keeps of a host's name */

/* Set by Go before loading. */
const volatile u32 self_tgid; /* the sensor's own process, initial pid namespace */
const volatile u32 host_mnt_ns; /* mount namespace of pid 1 */
const volatile s32 cgroup_subsys = -1; /* index of the version-1 controller whose hierarchy names containers; -1: version 2 */
const volatile u32 cgroup_hierarchy; /* its hierarchy id; 0: version 2 */
const volatile u64 ring_bytes = 16 << 20; /* size of the ring */

/* Native number of a 32-bit system call, or -1: what records show and filters compare. */
#define COMPAT_CALLS 512
const volatile s16 native_syscalls[COMPAT_CALLS];

#define TEXT_MAX 248

/* Key of the tries of a filter. */
struct text_key {
	u32 prefixlen; /* bits, table included */
	u32 table;
	u8 data[TEXT_MAX + 4]; /* the most that a trie takes */
};

/* Where a mount is. */
struct place {
	struct mount *parent;
	struct dentry *mountpoint, *root;
};

/* A mount on the root of the topmost one: nothing of a path is above it. True as long as its namespace's mounts do not change. */
struct top {
	u64 mnt_ns, seq, event; /* the namespace, which of those that were at this address, and its last change */
	u64 mnt;
};

struct scratch {
	u32 owners; /* 1: taken */
	u32 pos; /* end of the record so far */
	u32 base; /* where variable data begins */
	u32 path_at; /* where the path in path[] begins */
	u32 path_len;
	u32 cgroup_flags; /* of the control group of the last record */
	u64 cgroup;
	u32 generation; /* of the containers, when that was looked up */
	u32 always; /* wanted for enrichment, whatever the filter says */
	u64 dentry, mnt; /* what build_path is to look at: a global function takes no kernel pointers */
	struct place place; /* of mnt */
	struct top top; /* the last that was met */
	u32 filter; /* 0: everything is wanted */
	u32 next_field; /* of the filter, to be judged */
	u64 left; /* clauses that nothing has contradicted so far */
	u64 granted; /* clauses that a field satisfies */
	u64 regs[8]; /* arguments of the system call that is recorded */
	s64 ret; /* and its result */
	struct text_key key;
	u8 rec[REC_LIMIT + PATH_MAX + 8 + HOST_LEN];
	u8 path[2 * PATH_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24); /* set by Go */
} ring SEC(".maps");

/* What somebody wants of an event; eight bytes, changed and read at once. */
struct event_config {
	u16 flags;
	u16 origins; /* bit per origin */
	u32 filter; /* 0: every occurrence of these origins */
};
#define WANTED 1 /* selected */
#define ALWAYS 2 /* needed for enrichment, even when not selected */
#define URGENT 4
#define FALLBACK 8 /* the event's own hook cannot be used */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EVENTS);
	__type(key, u32);
	__type(value, struct event_config);
} event_configs SEC(".maps");

struct event_stats {
	u64 attempted;
	u64 emitted;
	u64 lost_ring; /* no room in the ring */
	u64 lost_scratch; /* no free scratch buffer */
	u64 lost_budget; /* its control group, or process, took more than its share of a ring that fills up */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_EVENTS);
	__type(key, u32);
	__type(value, struct event_stats);
} stats SEC(".maps");

/* Control groups of containers, and those below them. */
struct container {
	u64 root; /* the container's own control group */
	u32 started; /* its first process has been executed; kept at the root */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct container);
} containers SEC(".maps");

/* Set by the reader before it sleeps until it is woken, not until its next interval. */
u32 reader_sleeps SEC(".data.reader");

/* Counts changes of the containers, so that what a buffer remembers of a control group is known to be true. */
u32 containers_generation SEC(".data.containers");

static __always_inline void containers_changed(void)
{
	__sync_fetch_and_add(&containers_generation, 1);
}

/* Masks x where the verifier sees it, although the compiler knows that it changes nothing. */
#define BOUND(x, mask) asm volatile("%0 &= " #mask : "+r"(x))

static __always_inline struct scratch *scratch_at(u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

/*
 * Takes a scratch buffer and says its number; returns NULL when all are taken. Counting up and looking back is an
 * exclusion between tasks of one CPU that needs no compare-and-swap, which 5.8's BPF does not have.
 */
static __always_inline struct scratch *scratch_take(u32 *slot)
{
	for (u32 i = 0; i < SCRATCHES; i++) {
		struct scratch *s = scratch_at(i);
		if (!s)
			break;
		__sync_fetch_and_add(&s->owners, 1);
		if (*(volatile u32 *)&s->owners == 1) {
			*slot = i;
			return s;
		}
		__sync_fetch_and_add(&s->owners, -1);
	}
	return NULL;
}

static __always_inline void scratch_give(struct scratch *s)
{
	__sync_fetch_and_add(&s->owners, -1);
}

#define STAT(st, cause)                                    \
	do {                                               \
		if (st)                                    \
			__sync_fetch_and_add(&(st)->cause, 1); \
	} while (0)

#define HDR(s) ((struct event_header *)(s)->rec)

#include "task.h"
#include "filter.h"
#include "budget.h"

/*
 * A program on a kernel function, or on the LSM hook that it calls: attached by a trampoline (fentry, lsm), and as
 * <function>_kprobe where the kernel has none, as on arm64 before 6.0. A trampoline gives typed pointers, which are
 * read by plain loads; a kprobe gives registers. FIELD reads a member of an argument, or of what such a read gave.
 */
#define HOOK(function, args...)                                                 \
	static __always_inline int function##_body(void *ctx, bool typed, ##args); \
	_Pragma("GCC diagnostic push")                                          \
	_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                  \
	SEC("fentry/" #function)                                                \
	int function(unsigned long long *ctx)                                   \
	{                                                                       \
		return function##_body(HOOK_ARGS(___bpf_ctx_cast(args), true)); \
	}                                                                       \
	SEC("kprobe/" #function)                                                \
	int function##_kprobe(struct pt_regs *ctx)                              \
	{                                                                       \
		return function##_body(HOOK_ARGS(___bpf_kprobe_args(args), false)); \
	}                                                                       \
	_Pragma("GCC diagnostic pop")                                           \
	static __always_inline int function##_body(void *ctx, bool typed, ##args)
#define HOOK_ARGS(args, typed) HOOK_ORDER(typed, args)
#define HOOK_ORDER(typed, ctx, args...) ctx, typed, ##args

#define FIELD(ptr, member) (typed ? (ptr)->member : BPF_CORE_READ(ptr, member))

/* Whether the control group is a container's: looked up when the buffer was last used for another one. */
static __always_inline u8 remembered_flags(struct scratch *s, u64 cgroup)
{
	u32 generation = *(volatile u32 *)&containers_generation;
	if (s->cgroup != cgroup || s->generation != generation) {
		s->cgroup_flags = cgroup_flags(cgroup);
		s->cgroup = cgroup;
		s->generation = generation;
	}
	return s->cgroup_flags;
}

/* A record under construction. */
struct rec {
	struct scratch *s;
	struct task_struct *task;
	u32 slot;
	u32 event;
	bool called; /* what follows, and its place in the header, are known */
	bool compat;
	s32 syscall; /* as the caller counts, or -1 */
};

static __always_inline void rec_drop(struct rec *r)
{
	scratch_give(r->s);
}

static __always_inline bool judge(struct rec *r, bool complete)
{
	struct scratch *s = r->s;
	if (!s->filter || passes(r->slot, s->filter, complete))
		return true;
	s->filter = 0;
	HDR(s)->flags |= FLAG_UNSELECTED;
	if (s->always)
		return true;
	rec_drop(r);
	return false;
}

/*
 * Judges what has been put so far, so that nothing more is read for a record that nobody wants. Returns false when the
 * record has been dropped. Worth its call after an argument that filters look at, when others cost much.
 */
static __always_inline bool rec_filter(struct rec *r)
{
	return judge(r, false);
}

/*
 * Begins a record of the event for the current task, or for the owner, when it is wanted at all. Returns false when there is
 * nothing to do; otherwise rec_send (rec_send_of) or rec_drop must follow. Of an owner conditions are not judged.
 */
static __always_inline bool rec_begin_of(struct rec *r, u32 event, u32 argc, const struct owner *owner)
{
	u64 *word = bpf_map_lookup_elem(&event_configs, &event);
	if (!word)
		return false;
	union {
		u64 word;
		struct event_config cfg;
	} u = {.word = *(volatile u64 *)word};
	struct event_config *cfg = &u.cfg;
	if (!(cfg->flags & (WANTED | ALWAYS)))
		return false;
	struct task_struct *task = current_task();
	if ((owner ? owner->header.host_pid : task_tgid(task)) == self_tgid)
		return false;
	u64 cgroup = owner ? owner->header.cgroup_id : task_cgroup(task);
	struct scratch *s = scratch_take(&r->slot);
	if (!s) {
		struct event_stats *st = bpf_map_lookup_elem(&stats, &event);
		STAT(st, attempted);
		STAT(st, lost_scratch);
		return false;
	}
	u8 flags = remembered_flags(s, cgroup);
	u32 origin = !(flags & FLAG_CONTAINER) ? ORIGIN_HOST :
		     flags & FLAG_CONTAINER_STARTED ? ORIGIN_CONTAINER : ORIGIN_CONTAINER_INIT;
	if (!(cfg->flags & WANTED) || !(cfg->origins & (1 << origin))) {
		if (!(cfg->flags & ALWAYS)) {
			scratch_give(s);
			return false;
		}
		flags |= FLAG_UNSELECTED;
	}
	if (cfg->flags & URGENT)
		flags |= FLAG_URGENT;
	struct filter *f = NULL;
	if (cfg->filter && !owner && !(flags & FLAG_UNSELECTED))
		f = filter_at(cfg->filter);

	struct event_header *h = HDR(s);
	h->id = event;
	h->argc = argc;
	h->flags = flags;
	h->cgroup_id = cgroup;
	h->return_value = 0;
	h->present = 0;
	h->user = 0;
	h->count = 1;
	s->filter = 0;
	s->always = cfg->flags & ALWAYS;
	s->base = SLOTS_AT + 8 * argc;
	s->pos = s->base;
	r->s = s;
	r->task = task;
	r->event = event;
	r->called = false;
	if (f) {
		s->filter = cfg->filter;
		s->next_field = 0;
		s->granted = 0;
		s->left = f->clauses[origin];
		if (f->fields[0].source >= SOURCE_COMM) /* what is known of the task comes first */
			return rec_filter(r);
	}
	return true;
}

static __always_inline bool rec_begin(struct rec *r, u32 event, u32 argc)
{
	return rec_begin_of(r, event, argc, NULL);
}

/* The same for a program that stands in for an event's own hook where that cannot be used. */
static __always_inline bool rec_begin_fallback(struct rec *r, u32 event, u32 argc)
{
	struct event_config *cfg = bpf_map_lookup_elem(&event_configs, &event);
	return cfg && (cfg->flags & FALLBACK) && rec_begin(r, event, argc);
}

static __always_inline void set_call(struct rec *r, s32 nr)
{
	struct event_header *h = HDR(r->s);
	r->called = true;
	r->compat = is_compat(r->task);
	r->syscall = nr;
	h->syscall = native_syscall(nr, r->compat);
	if (r->compat)
		h->flags |= FLAG_COMPAT;
}

/* Says what system call the task is in. Once for a record: arguments may have needed it before. */
static __always_inline void rec_call(struct rec *r)
{
	if (r->called)
		return;
	u32 flags = task_flags(r->task);
	if (flags & PF_KTHREAD)
		HDR(r->s)->flags |= FLAG_KTHREAD;
	set_call(r, current_syscall(r->task, flags));
}

/* The same at the exit of the system call, whose registers are there: no kernel thread makes one. */
static __always_inline void rec_call_of(struct rec *r, struct pt_regs *regs)
{
	set_call(r, syscall_nr(regs));
}

/* The same for a record that was begun with an owner. */
static __always_inline void rec_send_of(struct rec *r, const struct owner *owner)
{
	struct scratch *s = r->s;
	struct event_header *h = HDR(s);

	if (!judge(r, true))
		return;
	struct event_stats *st = bpf_map_lookup_elem(&stats, &r->event);
	u64 pos = s->pos, size = pos;
	STAT(st, attempted);
	u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	if (waiting > ring_bytes / 2 && !(h->flags & FLAG_URGENT) && !within_budget(h, size, owner ? owner->header.host_pid : task_tgid(r->task))) {
		STAT(st, lost_budget);
		rec_drop(r);
		return;
	}
	struct nsproxy *ns = NULL;
	if (owner) {
		copy_identity(h, owner);
	} else {
		rec_call(r);
		ns = fill_identity(h, r->task);
	}
	asm volatile("" : "+r"(pos));
	h->host_len = 0;
	if (pos <= REC_LIMIT + PATH_MAX) {
		if (owner) {
			__builtin_memcpy(s->rec + pos, owner->host, HOST_LEN);
			h->host_len = HOST_LEN;
		} else {
			h->host_len = copy_host(s->rec + pos, ns);
		}
	}
	size = pos + h->host_len;
	h->size = size;
	/* Waking the reader costs more than all the rest: only for what is urgent, when it should hurry, and once when it sleeps. */
	u64 wake = BPF_RB_NO_WAKEUP;
	if (h->flags & FLAG_URGENT || waiting > ring_bytes / 4 || *(volatile u32 *)&reader_sleeps) {
		wake = BPF_RB_FORCE_WAKEUP;
		*(volatile u32 *)&reader_sleeps = 0;
	}
	asm volatile("" : "+r"(size)); /* is checked where it is used: older verifiers forget what they know of a number on the stack */
	if (size < SLOTS_AT || size > sizeof(s->rec))
		STAT(st, lost_scratch);
	else if (bpf_ringbuf_output(&ring, s->rec, size, wake))
		STAT(st, lost_ring);
	else
		STAT(st, emitted);
	rec_drop(r);
}

static __always_inline void rec_send(struct rec *r)
{
	rec_send_of(r, NULL);
}

/* Arguments. arg must be below the event's argc. */

static __always_inline void put(struct scratch *s, u32 arg, u64 value)
{
	if (!__builtin_constant_p(arg))
		BOUND(arg, 31);
	*(u64 *)(s->rec + SLOTS_AT + 8 * arg) = value;
	HDR(s)->present |= 1u << arg;
}

#define put_int(s, arg, v) put(s, arg, (u64)(s64)(s32)(v))

/* Marks len bytes at pos as the value of arg. */
static __always_inline void put_data(struct scratch *s, u32 arg, u32 pos, u32 len)
{
	put(s, arg, (u64)(pos - s->base) | (u64)len << 32);
	s->pos = pos + len;
}

/* Where the next variable argument goes; REC_LIMIT or more means that the record is full. */
static __always_inline u32 data_pos(struct scratch *s)
{
	u32 pos = s->pos;
	if (pos >= REC_LIMIT)
		HDR(s)->flags |= FLAG_TRUNCATED;
	return pos;
}

enum memory { KERNEL, USER };

/* Saves a NUL-terminated text, without the NUL. */
static __always_inline void put_str(struct scratch *s, u32 arg, const void *src, enum memory from)
{
	u32 pos = data_pos(s);
	if (pos >= REC_LIMIT)
		return;
	u8 *dst = s->rec + (pos & (REC_LIMIT - 1));
	long n = from == USER ? bpf_probe_read_user_str(dst, PATH_MAX, src) : bpf_probe_read_kernel_str(dst, PATH_MAX, src);
	if (n <= 0)
		return;
	if (n == PATH_MAX)
		HDR(s)->flags |= FLAG_TRUNCATED;
	put_data(s, arg, pos, n - 1);
	if (from == USER)
		HDR(s)->user |= 1u << (arg & 31);
}

/* Saves len bytes, at most max (a power of two up to PATH_MAX). */
static __always_inline void put_bytes(struct scratch *s, u32 arg, const void *src, u64 len, u32 max, enum memory from)
{
	u32 pos = data_pos(s);
	if (pos >= REC_LIMIT)
		return;
	u8 *dst = s->rec + (pos & (REC_LIMIT - 1));
	if (len > max) {
		HDR(s)->flags |= FLAG_TRUNCATED;
		len = max;
	}
	asm volatile("" : "+r"(len)); /* keeps the check on the register that the helper is given */
	if (len > max)
		return;
	if (from == USER ? bpf_probe_read_user(dst, len, src) : bpf_probe_read_kernel(dst, len, src))
		return;
	put_data(s, arg, pos, len);
	if (from == USER)
		HDR(s)->user |= 1u << (arg & 31);
}

#define MAX_STRINGS 64

/* Saves a user's array of texts, each with its NUL. */
static __always_inline void put_user_strings(struct scratch *s, u32 arg, u64 array, bool compat)
{
	u64 start = data_pos(s); /* the end is in s: older verifiers would tell apart every length */
	int i;
	if (start >= REC_LIMIT)
		return;
	for (i = 0; i < MAX_STRINGS; i++) {
		u64 p = 0, at = s->pos;
		if (compat ? bpf_probe_read_user(&p, 4, (void *)array + 4 * i) : bpf_probe_read_user(&p, 8, (void *)array + 8 * i))
			break;
		if (!p)
			break;
		if (at >= REC_LIMIT) {
			HDR(s)->flags |= FLAG_TRUNCATED;
			break;
		}
		BOUND(at, 16383);
		long n = bpf_probe_read_user_str(s->rec + at, PATH_MAX, (void *)p);
		if (n <= 0)
			break;
		s->pos = at + n;
	}
	if (i == MAX_STRINGS)
		HDR(s)->flags |= FLAG_TRUNCATED;
	put_data(s, arg, start, s->pos - start);
	HDR(s)->user |= 1u << (arg & 31);
}

#endif
