/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Shares of the ring. While it is less than half full nobody is limited. Beyond that, a control group gets a thirty-second
 * of the ring in each window, and one process a quarter of that: a flood fills its share, and the others keep theirs.
 */
#ifndef TOCSIN_BUDGET_H
#define TOCSIN_BUDGET_H

#include "sensor.h"

#define BUDGET_WINDOW 100000000ull /* ns */
#define PROCESS_BUDGET (1ull << 63) /* marks the key of a process; others are control groups */

struct budget {
	u64 since;
	u64 used; /* bytes */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct budget);
} budgets SEC(".maps");

static __always_inline bool spend(u64 key, u64 now, u32 size, u64 limit)
{
	struct budget *b = bpf_map_lookup_elem(&budgets, &key);
	if (!b) {
		struct budget fresh = {.since = now, .used = size};
		bpf_map_update_elem(&budgets, &key, &fresh, BPF_ANY);
		return true;
	}
	if (now - b->since > BUDGET_WINDOW) {
		b->since = now;
		b->used = 0;
	}
	if (b->used + size > limit)
		return false;
	__sync_fetch_and_add(&b->used, size);
	return true;
}

static __always_inline bool within_budget(struct event_header *h, u32 size, u32 pid)
{
	u64 now = bpf_ktime_get_ns(), limit = ring_bytes / 32;
	u64 process = PROCESS_BUDGET | pid;
	return spend(process, now, size, limit / 4) && spend(h->cgroup_id, now, size, limit);
}

#endif
