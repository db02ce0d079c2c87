/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * Packets that carry a name's lookup or an HTTP request. The programs are attached to the root of control groups version 2,
 * where the kernel calls them once for each packet that a socket sends or gets, before a neighbour's address has to be found:
 * a datagram is still in its sender's hands. A segment of TCP is too while the sender holds the socket's lock; later ones
 * are sent by whoever got the acknowledgement, and belong to whom opened the connection.
 */
/* Linux 5.11 to 5.14 keep the typed task from programs on packets; 5.15, where bpf_task_pt_regs came, does not. */
#define TYPED_TASK REGS_HELPER
#include "headers/sensor.h"
#include "headers/socket.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* uapi/linux/bpf.h: what such programs are given. It is the kernel's struct sk_buff, and may be read as that by a helper. */
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority, ingress_ifindex, ifindex, tc_index;
	u32 cb[5];
	u32 hash, tc_classid, data, data_end;
};

#define PASS 1
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define DNS_PORT 53
#define DNS_HEADER 12
#define DNS_RESPONSE 0x80 /* in the third byte */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* All events of packets have the same two arguments; what is in them here is decoded by packet.go. */
enum { ARG_METADATA, ARG_PAYLOAD, ARGC_PACKET };

/* Before the payload. The destination is the first argument, as an address that filters know. */
struct packet_head {
	u8 src[16];
	__be16 sport;
	u16 proto;
	u32 len;
	char iface[16];
};

/* Packets that were not looked into, by cause; the order is that of packetCauses in stats.go. */
enum { EXTENDED, UNREADABLE, UNOWNED, FRAGMENT, NO_QUERY, UNSEEN_CAUSES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, UNSEEN_CAUSES);
	__type(key, u32);
	__type(value, u64);
} packets_unseen SEC(".maps");

/* Who opened a connection, or asked for a name, by the cookie of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct owner);
} packet_owners SEC(".maps");

static __always_inline void unseen(u32 cause)
{
	u64 *n = bpf_map_lookup_elem(&packets_unseen, &cause);
	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline bool wanted(u32 event)
{
	struct event_config *cfg = bpf_map_lookup_elem(&event_configs, &event);
	return cfg && cfg->flags & WANTED;
}

/* What the headers say. */
struct packet {
	u32 payload, payload_len; /* where it is from the network header on */
	__be16 sport, dport;
	u8 proto, flags; /* of TCP */
	bool six;
};

static __always_inline bool extension(u8 next)
{
	return next == 0 || next == 43 || next == 44 || next == 60; /* hop by hop, routing, fragment, destination */
}

/* Looks at the headers, which the kernel keeps together; false when there is nothing in the packet that matters. */
static __always_inline bool dissect(struct __sk_buff *skb, struct packet *p)
{
	u8 *ip = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	u32 at, header;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (ip + 20 > end)
			goto unreadable;
		p->six = false;
		p->proto = ip[9];
		at = (ip[0] & 15) * 4;
		if (*(u16 *)(ip + 6) & bpf_htons(0x1fff)) { /* a later fragment, of a raw socket */
			if (p->proto == IPPROTO_UDP || p->proto == IPPROTO_TCP)
				unseen(FRAGMENT);
			return false;
		}
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (ip + 41 > end)
			goto unreadable;
		p->six = true;
		p->proto = ip[6];
		at = 40;
		if (extension(p->proto) && (extension(ip[40]) || ip[40] == IPPROTO_TCP || ip[40] == IPPROTO_UDP)) {
			unseen(EXTENDED);
			return false;
		}
	} else {
		return false;
	}
	u8 *l4 = ip + at;
	if (p->proto == IPPROTO_UDP) {
		if (l4 + 8 > end)
			goto unreadable;
		header = 8;
	} else if (p->proto == IPPROTO_TCP) {
		if (l4 + 20 > end)
			goto unreadable;
		header = (l4[12] >> 4) * 4;
		p->flags = l4[13];
	} else {
		return false;
	}
	p->sport = *(__be16 *)l4;
	p->dport = *(__be16 *)(l4 + 2);
	p->payload = at + header;
	p->payload_len = skb->len > p->payload ? skb->len - p->payload : 0;
	return true;
unreadable:
	unseen(UNREADABLE);
	return false;
}

/* Whether a DNS message begins there that is a response, or a query. */
static __always_inline bool is_dns(struct __sk_buff *skb, struct packet *p, bool response)
{
	u8 flags;
	u32 at = p->proto == IPPROTO_TCP ? 2 : 0; /* behind its length */
	if (p->payload_len < at + DNS_HEADER || bpf_skb_load_bytes(skb, p->payload + at + 2, &flags, 1))
		return false;
	return !(flags & DNS_RESPONSE) == !response;
}

static __always_inline bool is_http(struct __sk_buff *skb, struct packet *p)
{
	u64 m;
	if (p->payload_len < 16 || bpf_skb_load_bytes(skb, p->payload, &m, sizeof(m)))
		return false;
#define IS(method) ((m & ~0ull >> (64 - 8 * sizeof(method))) == *(u64 *)(method " \0\0\0\0\0\0"))
	return IS("GET") || IS("POST") || IS("HEAD") || IS("PUT") || IS("DELETE") || IS("PATCH") || IS("OPTIONS") || IS("CONNECT") || IS("TRACE");
#undef IS
}

/* Keeps who the current task is for what comes in, or is sent later, by the socket. */
static __noinline int remember(u64 cookie)
{
	u32 slot;
	struct task_struct *task = current_task();
	struct scratch *s = scratch_take(&slot);
	if (!s) {
		unseen(UNOWNED);
		return 0;
	}
	struct owner *owner = (struct owner *)s->rec;
	__builtin_memset(owner, 0, sizeof(*owner));
	owner->header.cgroup_id = task_cgroup(task);
	copy_host(owner->host, fill_identity(&owner->header, task));
	bpf_map_update_elem(&packet_owners, &cookie, owner, BPF_ANY);
	scratch_give(s);
	return 0;
}

/* Whether the current task sends the segment: only who holds the socket's lock may, unless nobody does. */
static __always_inline bool sends(struct __sk_buff *skb)
{
	return BPF_CORE_READ((struct sk_buff *)skb, sk, sk_lock.owned) && !(task_flags(current_task()) & PF_KTHREAD);
}

static __always_inline void put_packet(struct __sk_buff *skb, struct packet *p, u32 event, const struct owner *owner)
{
	struct rec r;
	if (!rec_begin_of(&r, event, ARGC_PACKET, owner))
		return;
	struct packet_head head = {.sport = p->sport, .proto = p->proto, .len = skb->len};
	if (p->six) {
		struct inet6_address to = {.family = AF_INET6, .port = p->dport};
		bpf_skb_load_bytes(skb, 8, head.src, 16);
		bpf_skb_load_bytes(skb, 24, to.addr, 16);
		put_bytes(r.s, ARG_METADATA, &to, sizeof(to), SOCKADDR_MAX, KERNEL);
	} else {
		struct inet_address to = {.family = AF_INET, .port = p->dport};
		bpf_skb_load_bytes(skb, 12, head.src, 4);
		bpf_skb_load_bytes(skb, 16, &to.addr, 4);
		put_bytes(r.s, ARG_METADATA, &to, sizeof(to), SOCKADDR_MAX, KERNEL);
	}
	if (!rec_filter(&r))
		return;
	struct net_device *dev = BPF_CORE_READ((struct sk_buff *)skb, dev);
	bpf_core_read(head.iface, sizeof(head.iface), &dev->name);
	put_bytes(r.s, ARG_PAYLOAD, &head, sizeof(head), SOCKADDR_MAX, KERNEL);
	u64 len = p->payload_len, at = r.s->pos;
	if (len > PATH_MAX) {
		HDR(r.s)->flags |= FLAG_TRUNCATED;
		len = PATH_MAX;
	}
	BOUND(at, 16383);
	asm volatile("" : "+r"(len)); /* two checks, which older verifiers understand one by one */
	if (len < DNS_HEADER)
		goto unreadable;
	asm volatile("" : "+r"(len));
	if (len > PATH_MAX || bpf_skb_load_bytes(skb, p->payload, r.s->rec + at, len))
		goto unreadable;
	put_data(r.s, ARG_PAYLOAD, at - sizeof(head), sizeof(head) + len);
	rec_send_of(&r, owner);
	return;
unreadable:
	unseen(UNREADABLE);
	rec_drop(&r);
}

SEC("cgroup_skb/egress")
int packet_egress(struct __sk_buff *skb)
{
	struct packet p = {};
	const struct owner *owner = NULL;
	u32 event;
	if (!dissect(skb, &p))
		return PASS;
	u64 cookie = 0;
	if (p.proto == IPPROTO_UDP) {
		if (p.dport != bpf_htons(DNS_PORT))
			return PASS;
		if (!is_dns(skb, &p, false)) {
			if (p.sport != bpf_htons(DNS_PORT)) /* else servers among themselves, whose answers go there */
				unseen(NO_QUERY);
			return PASS;
		}
		if (wanted(EVENT_NET_PACKET_DNS_RESPONSE))
			remember(bpf_get_socket_cookie(skb));
		event = EVENT_NET_PACKET_DNS_REQUEST;
	} else {
		if ((p.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && sends(skb))
			remember(bpf_get_socket_cookie(skb));
		if (!p.payload_len)
			return PASS;
		if (p.dport == bpf_htons(DNS_PORT) && is_dns(skb, &p, false)) {
			event = EVENT_NET_PACKET_DNS_REQUEST;
		} else if (is_http(skb, &p)) {
			event = EVENT_NET_PACKET_HTTP_REQUEST;
		} else {
			if (p.dport == bpf_htons(DNS_PORT)) /* what follows a length that was sent by itself, among others */
				unseen(NO_QUERY);
			return PASS;
		}
		if (!sends(skb)) {
			cookie = bpf_get_socket_cookie(skb);
			owner = bpf_map_lookup_elem(&packet_owners, &cookie);
			if (!owner) {
				unseen(UNOWNED);
				return PASS;
			}
		}
	}
	put_packet(skb, &p, event, owner);
	return PASS;
}

/* Answers, for whom they are: only a socket that has asked, or opened the connection, is known. */
SEC("cgroup_skb/ingress")
int packet_ingress(struct __sk_buff *skb)
{
	struct packet p = {};
	if (!dissect(skb, &p) || p.sport != bpf_htons(DNS_PORT) || !is_dns(skb, &p, true))
		return PASS;
	u64 cookie = bpf_get_socket_cookie(skb);
	const struct owner *owner = bpf_map_lookup_elem(&packet_owners, &cookie);
	if (owner)
		put_packet(skb, &p, EVENT_NET_PACKET_DNS_RESPONSE, owner);
	else
		unseen(UNOWNED);
	return PASS;
}
