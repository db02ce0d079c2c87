/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Sockets behind descriptors, and their addresses in the form of struct sockaddr. */
#ifndef TOCSIN_SOCKET_H
#define TOCSIN_SOCKET_H

#include "path.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define SOCKADDR_MAX 128

struct inet_address {
	u16 family;
	__be16 port;
	__be32 addr;
	u8 zero[8];
};
struct inet6_address {
	u16 family;
	__be16 port;
	u32 flowinfo;
	u8 addr[16];
	u32 scope;
};

/* The socket behind a descriptor of the current task, or NULL. */
static __always_inline struct socket *fd_socket(struct task_struct *task, u32 fd)
{
	struct file *file = fd_file(task, fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ(file, private_data);
}

/* Saves the name that an AF_UNIX socket is bound to. */
static __always_inline bool put_unix_name(struct scratch *s, u32 arg, struct sock *sk)
{
	struct unix_address *addr = BPF_CORE_READ((struct unix_sock *)sk, addr);
	if (!addr)
		return false;
	u32 len = BPF_CORE_READ(addr, len);
	put_bytes(s, arg, addr->name, len, SOCKADDR_MAX, KERNEL);
	return true;
}

/* Saves the address that an internet socket is connected to (remote) or bound to. */
static __always_inline bool put_inet_name(struct scratch *s, u32 arg, struct sock *sk, u16 family, bool remote)
{
	if (family == AF_INET) {
		struct inet_address a = {.family = AF_INET};
		if (remote) {
			a.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
			a.addr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		} else {
			a.port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
			a.addr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		}
		if (remote && !a.port && !a.addr)
			return false;
		put_bytes(s, arg, &a, sizeof(a), SOCKADDR_MAX, KERNEL);
		return true;
	}
	struct inet6_address a = {.family = AF_INET6};
	if (remote) {
		a.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		bpf_core_read(a.addr, sizeof(a.addr), &sk->__sk_common.skc_v6_daddr);
		if (!a.port)
			return false;
	} else {
		a.port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
		bpf_core_read(a.addr, sizeof(a.addr), &sk->__sk_common.skc_v6_rcv_saddr);
	}
	put_bytes(s, arg, &a, sizeof(a), SOCKADDR_MAX, KERNEL);
	return true;
}

/* Saves the address of a socket's peer; false when it has none. */
static __always_inline bool put_peer(struct scratch *s, u32 arg, struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
		return peer && put_unix_name(s, arg, peer);
	}
	if (family == AF_INET || family == AF_INET6)
		return put_inet_name(s, arg, sk, family, true);
	return false;
}

/* Saves the address that a socket is bound to. */
static __always_inline bool put_local(struct scratch *s, u32 arg, struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_UNIX)
		return put_unix_name(s, arg, sk);
	if (family == AF_INET || family == AF_INET6)
		return put_inet_name(s, arg, sk, family, false);
	return false;
}

#endif
