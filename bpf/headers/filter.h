/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which occurrences leave the kernel. A filter holds the clauses of everybody who wants an event, a bit each; every field
 * that some clause looks at takes away the clauses that it contradicts, and an occurrence that none is left for is
 * dropped. What cannot be said here is left out of the clauses: a filter lets too much through, never too little.
 * filter.go writes the filters.
 */
#ifndef TOCSIN_FILTER_H
#define TOCSIN_FILTER_H

#include "sensor.h"

/* Fields of the task, after the numbers of arguments. */
enum {
	SOURCE_COMM = 32,
	SOURCE_UID,
	SOURCE_PID,
	SOURCE_TID,
	SOURCE_MNTNS,
	SOURCE_PIDNS,
	SOURCE_CGROUP,
};

enum test {
	TEST_END,
	TEST_TEXT, /* the text, or its beginning */
	TEST_SUFFIX,
	TEST_SUN_PATH, /* of a socket address */
	TEST_ADDRESS,
	TEST_PORT,
	TEST_EQUAL,
	TEST_BITS, /* value & a == b */
	TEST_LESS,
	TEST_GREATER,
	TEST_LESS_SIGNED,
	TEST_GREATER_SIGNED,
	TEST_CONTAINS, /* the text has one of some texts in it */
};

/* Whether a field is the last of those that are judged together, and how. */
enum {
	LAST = 1, /* a clause that looks at them holds if one grants it */
	LAST_NOT, /* … if none does; an argument that is not there grants nothing */
};

#define MAX_FIELDS 24
#define SUFFIX_MAX 32

struct field {
	u8 source;
	u8 test;
	u8 last; /* of those that are judged together */
	u8 pad;
	u32 table;
	u64 a, b;
	u64 grants; /* clauses that a test without a table satisfies */
	u64 constrains; /* clauses that look at these fields; of the last */
	u64 some[4]; /* a bit for the first, or last, bytes of each text of the table */
	u32 mask; /* as many of four as the shortest has */
	u32 pad2;
};

struct filter {
	u64 clauses[4]; /* by origin */
	struct field fields[MAX_FIELDS];
};

#define MAX_FILTERS 512

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FILTERS);
	__type(key, u32);
	__type(value, struct filter);
} filters SEC(".maps");

/* Texts, whole (with their NUL) or beginnings, and reversed ends; addresses. The longest entry grants what its beginnings do. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct text_key);
	__type(value, u64);
} text_filters SEC(".maps");

struct number_key {
	u32 table;
	u32 pad;
	u64 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct number_key);
	__type(value, u64);
} number_filters SEC(".maps");

/*
 * Texts to be found in another, in one pass over its bytes (shift-and: Baeza-Yates and Gonnet, 1992). The bytes of all of
 * them lie side by side, a bit each.
 */
struct needles {
	u64 first, last; /* bits of their first and last bytes */
	u64 least; /* length of the shortest */
	u64 heads; /* bits of as many first bytes of each */
	u64 bytes[256]; /* bits of the places that hold this byte */
	u64 grants[64]; /* clauses, by the bit of the last byte */
};

#define HAYSTACK_MAX 256 /* what is longer is not searched: it passes */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FILTERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct needles);
} needle_filters SEC(".maps");

static __always_inline struct filter *filter_at(u32 index)
{
	return bpf_map_lookup_elem(&filters, &index);
}

static __always_inline u64 lookup_text(struct scratch *s, u32 table, u32 bytes)
{
	s->key.prefixlen = 8 * (sizeof(u32) + bytes);
	s->key.table = table;
	u64 *grants = bpf_map_lookup_elem(&text_filters, &s->key);
	return grants ? *grants : 0;
}

/* Adds to s->granted the clauses whose texts, whole or beginnings, the len bytes at pos satisfy. */
static __always_inline void grant_text(struct scratch *s, u32 table, u64 pos, u64 len)
{
	if (len > TEXT_MAX - 1)
		len = TEXT_MAX - 1;
	/*
	 * The key is made around the text, without a copy: what was there is put back. Slots come before any text. It is kept in the
	 * buffer, as there is no room on the stack of four functions.
	 */
	pos -= 8;
	BOUND(pos, 16383);
	BOUND(len, 255);
	u8 *key = s->rec + pos, *end = key + 8 + len;
	volatile u64 *before = (u64 *)s->key.data;
	volatile u8 *behind = s->key.data + 8;
	*before = *(u64 *)key;
	*behind = *end;
	*(u32 *)key = 8 * (sizeof(u32) + len + 1);
	*(u32 *)(key + 4) = table;
	*end = 0;
	u64 *grants = bpf_map_lookup_elem(&text_filters, key);
	*(u64 *)key = *before;
	*end = *behind;
	if (grants)
		s->granted |= *grants;
}

/* Whether the table may have an entry for the len bytes at pos. A look into the table costs a hundred times as much, and most find nothing. */
static __always_inline bool may_have_text(const struct scratch *s, const struct field *d, u64 pos, u64 len)
{
	if (len < sizeof(u32))
		return true;
	if (d->test == TEST_SUFFIX)
		pos += len - sizeof(u32);
	BOUND(pos, 32767);
	if (pos > sizeof(s->rec) - sizeof(u32))
		return true;
	u32 bit = ((*(u32 *)(s->rec + pos) & d->mask) * 0x9e3779b1u) >> 24;
	return d->some[bit >> 6] >> (bit & 63) & 1;
}

/*
 * Adds to s->granted the clauses whose texts the len bytes at pos end with. Global, so that the verifier looks at it once.
 */
__noinline int match_suffix(u32 slot, u32 table, u64 pos, u64 len)
{
	struct scratch *s = scratch_at(slot);
	if (!s)
		return 0;
	u64 end = pos + len;
	u32 n = len < SUFFIX_MAX ? len : SUFFIX_MAX;
	for (u32 i = 0; i < SUFFIX_MAX; i++) {
		u64 at = end - 1 - i;
		if (i >= n)
			break;
		BOUND(at, 32767);
		if (at >= sizeof(s->rec))
			break;
		s->key.data[i] = s->rec[at];
	}
	s->granted |= lookup_text(s, table, n);
	return 0;
}

#define LOOKS_MAX 128 /* a text that takes more is searched byte by byte */

/*
 * Whether one of the texts may begin somewhere (backward search: Navarro and Raffinot, 1998). A window as long as the shortest is
 * read from its end, for as long as what was read is a part of how one begins. Where it no longer is, none begins before that
 * byte: most bytes are not looked at.
 */
static __always_inline bool may_have_needle(const struct needles *t, const u8 *text, u64 len)
{
	u64 start = 0, at = t->least - 1, part = t->heads;
	if (at >= len)
		return false;
	for (u32 i = 0; i < LOOKS_MAX; i++) {
		BOUND(at, 255);
		part &= t->bytes[text[at]];
		if (!part) {
			start = at + 1;
			at += t->least;
			part = t->heads;
			if (at >= len)
				return false;
		} else {
			if (at == start)
				return true;
			at--;
			part = (part & ~t->first) >> 1;
		}
	}
	return true;
}

#define FIND(byte)                                                     \
	do {                                                           \
		so_far = (so_far << 1 | first) & t->bytes[(u8)(byte)]; \
		found |= so_far;                                       \
	} while (0)

/* The same for the texts that the len bytes at pos may have in them. */
__noinline int match_needles(u32 slot, u32 table, u64 pos, u64 len)
{
	struct scratch *s = scratch_at(slot);
	struct needles *t = bpf_map_lookup_elem(&needle_filters, &table);
	if (!s)
		return 0;
	if (!t || len > HAYSTACK_MAX) {
		s->granted = ~0ull;
		return 0;
	}
	BOUND(pos, 16383);
	u8 *text = s->rec + pos;
	if (!may_have_needle(t, text, len))
		return 0;
	u64 so_far = 0, found = 0, first = t->first, i = 0;
	for (; i < HAYSTACK_MAX && i + 4 <= len; i += 4) { /* four at a time: this loop is what searching costs */
		asm volatile("" : "+r"(i)); /* else the compiler counts from -4, of which Linux 7 makes a place before the text */
		u8 *four = text + i;
		FIND(four[0]);
		FIND(four[1]);
		FIND(four[2]);
		FIND(four[3]);
	}
	for (u64 end = i + 3; i < end && i < len; i++)
		FIND(text[i]);
	found &= t->last;
	if (!found)
		return 0;
	for (u32 i = 0; i < 64; i++)
		if (found & 1ull << i)
			s->granted |= t->grants[i];
	return 0;
}

#define SUN_PATH_LEN 108

/* The same for a part of the socket address of len bytes at pos. */
__noinline int match_address(u32 slot, u32 table, u64 pos, u64 len, u32 test)
{
	struct scratch *s = scratch_at(slot);
	if (!s || len < 3)
		return 0;
	BOUND(pos, 16383);
	u8 *addr = s->rec + pos;
	u16 family = *(u16 *)addr;
	if (test == TEST_SUN_PATH) {
		if (family != 1)
			return 0;
		u64 n = len - 2;
		if (n > SUN_PATH_LEN)
			n = SUN_PATH_LEN;
		BOUND(n, 127);
		if (!addr[2] && n > 1) { /* an abstract name is shown with an @ */
			bpf_probe_read_kernel(s->key.data, n, addr + 2);
			s->key.data[0] = '@';
			s->key.data[n] = 0;
			n++;
		} else {
			long got = bpf_probe_read_kernel_str(s->key.data, n + 1, addr + 2);
			if (got <= 0)
				return 0;
			n = got;
		}
		s->granted |= lookup_text(s, table, n);
		return 0;
	}
	if (family != 2 && family != 10)
		return 0;
	if (test == TEST_PORT) {
		struct number_key k = {.table = table, .value = (u16)(addr[2] << 8 | addr[3])};
		u64 *grants = bpf_map_lookup_elem(&number_filters, &k);
		if (grants)
			s->granted |= *grants;
		return 0;
	}
	if (family == 2) {
		bpf_probe_read_kernel(s->key.data, 4, addr + 4);
		s->granted |= lookup_text(s, table, 4);
	} else {
		bpf_probe_read_kernel(s->key.data, 16, addr + 8);
		s->granted |= lookup_text(s, table + 1, 16);
	}
	return 0;
}

/* Tests one field; the clauses that it satisfies are added to s->granted. */
__noinline int match_field(u32 slot, u32 filter, u32 index)
{
	struct scratch *s = scratch_at(slot);
	struct filter *f = bpf_map_lookup_elem(&filters, &filter);
	if (!s || !f)
		return 0;
	BOUND(index, 31);
	if (index >= MAX_FIELDS)
		return 0;
	struct field *d = &f->fields[index];
	struct task_struct *task = current_task();
	struct event_header *h = HDR(s);
	const struct cred *cred;
	u64 v = 0;
	u32 n;

	switch (d->source) {
	case SOURCE_COMM: {
		char comm[16];
		copy_comm(comm, task);
		u32 len = 0;
		for (u32 i = 0; i < 16; i++) {
			s->key.data[i] = comm[i];
			if (!comm[i]) {
				len = i + 1;
				break;
			}
		}
		s->granted |= lookup_text(s, d->table, len);
		return 0;
	}
	case SOURCE_UID:
		LOAD(cred, task, cred);
		LOAD(n, cred, uid.val);
		v = n;
		break;
	case SOURCE_PID:
		v = task_tgid(task);
		break;
	case SOURCE_TID:
		LOAD(n, task, pid);
		v = n;
		break;
	case SOURCE_MNTNS:
		v = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
		break;
	case SOURCE_PIDNS:
		v = task_pidns(task);
		break;
	case SOURCE_CGROUP:
		v = h->cgroup_id;
		break;
	default:
		if (!(h->present & (1u << (d->source & 31))))
			return 0;
		v = *(u64 *)(s->rec + SLOTS_AT + 8 * (d->source & 31));
	}
	switch (d->test) {
	case TEST_CONTAINS: /* dear: only where somebody is left who asks */
		if (s->left & d->constrains)
			match_needles(slot, d->table, (u64)s->base + (u32)v, v >> 32);
		return 0;
	case TEST_SUN_PATH:
	case TEST_ADDRESS:
	case TEST_PORT:
		match_address(slot, d->table, (u64)s->base + (u32)v, v >> 32, d->test);
		return 0;
	case TEST_EQUAL: {
		struct number_key k = {.table = d->table, .value = v};
		u64 *grants = bpf_map_lookup_elem(&number_filters, &k);
		if (grants)
			s->granted |= *grants;
		return 0;
	}
	case TEST_BITS:
		if ((v & d->a) == d->b)
			s->granted |= d->grants;
		return 0;
	case TEST_LESS:
		if (v < d->a)
			s->granted |= d->grants;
		return 0;
	case TEST_GREATER:
		if (v > d->a)
			s->granted |= d->grants;
		return 0;
	case TEST_LESS_SIGNED:
		if ((s64)v < (s64)d->a)
			s->granted |= d->grants;
		return 0;
	case TEST_GREATER_SIGNED:
		if ((s64)v > (s64)d->a)
			s->granted |= d->grants;
		return 0;
	}
	return 0;
}

/*
 * Whether somebody may want the record in the scratch buffer, as far as that can be told: fields are judged in order, once,
 * up to the first argument that is not there. In a complete record none is still to come.
 */
__noinline int passes(u32 slot, u32 filter, u32 complete)
{
	struct scratch *s = scratch_at(slot);
	struct filter *f = filter_at(filter);
	if (!s || !f)
		return 1;
	struct event_header *h = HDR(s);
	for (u32 n = 0; n < MAX_FIELDS; n++) {
		u32 i = *(volatile u32 *)&s->next_field; /* in a register, the compiler would count on without a limit */
		BOUND(i, 31);
		if (i >= MAX_FIELDS)
			break;
		struct field *d = &f->fields[i];
		u32 source = d->source;
		if (d->test == TEST_END)
			break;
		if (source < SOURCE_COMM && !(h->present & 1u << source)) {
			if (!complete)
				break;
		} else if (source < SOURCE_COMM && (d->test == TEST_TEXT || d->test == TEST_SUFFIX)) { /* the most frequent tests */
			u64 v = *(u64 *)(s->rec + SLOTS_AT + 8 * source), pos = (u64)s->base + (u32)v, len = v >> 32;
			if (may_have_text(s, d, pos, len)) {
				if (d->test == TEST_TEXT)
					grant_text(s, d->table, pos, len);
				else
					match_suffix(slot, d->table, pos, len);
			}
		} else {
			match_field(slot, filter, i);
		}
		s->next_field = i + 1;
		if (d->last) {
			s->left &= d->last == LAST_NOT ? ~s->granted : ~d->constrains | s->granted;
			s->granted = 0;
		}
		if (!s->left)
			break;
	}
	return s->left != 0;
}

#endif
