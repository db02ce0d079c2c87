/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Shares of the ring. While it is less than half full nobody is limited. Beyond that, a control group gets a thirty-second
 * of the ring until the reader has read half a ring, and one process a quarter of that: a flood fills its share, and the
 * others keep theirs. What is read, and not the clock, gives new shares: a reader that stands still for long would
 * otherwise find a ring that one flood has filled share by share.
 */
#ifndef TOCSIN_BUDGET_H
#define TOCSIN_BUDGET_H

#include "sensor.h"

#define PROCESS_BUDGET (1ull << 63) /* marks the key of a process; others are control groups */

struct budget {
	u64 since; /* how many bytes had been read then */
	u64 used;  /* bytes */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct budget);
} budgets SEC(".maps");

static __always_inline bool spend(u64 key, u64 read, u32 size, u64 limit)
{
	struct budget *b = bpf_map_lookup_elem(&budgets, &key);
	if (!b) {
		struct budget fresh = {.since = read, .used = size};
		bpf_map_update_elem(&budgets, &key, &fresh, BPF_ANY);
		return true;
	}
	if (read > b->since + ring_bytes / 2) /* which another processor may have set to a later one */ {
		b->since = read;
		b->used = 0;
	}
	if (b->used + size > limit)
		return false;
	__sync_fetch_and_add(&b->used, size);
	return true;
}

static __always_inline bool within_budget(struct event_header *h, u32 size, u32 pid)
{
	u64 read = bpf_ringbuf_query(&ring, BPF_RB_CONS_POS), limit = ring_bytes / 32;
	u64 process = PROCESS_BUDGET | pid;
	return spend(process, read, size, limit / 4) && spend(h->cgroup_id, read, size, limit);
}

#endif
