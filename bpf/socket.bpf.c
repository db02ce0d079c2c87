/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Sockets. The programs on security_* functions load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/socket.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

HOOK(security_socket_connect, struct socket *sock, void *address, int addrlen)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, current_arg(r.task, 0));
	/* The kernel's own copy of what the caller gave. */
	put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, address, (u32)addrlen, SOCKADDR_MAX, KERNEL);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, FIELD(sock, type));
	rec_send(&r);
	return 0;
}

#define EINPROGRESS 115
#define EINTR 4

#define SUN_PATH_MAX 108

/* Whether two texts end in the same path component. They lie in s->path, the second one SUN_PATH_MAX later. */
__noinline int same_last_component(u32 slot, u32 len_a, u32 len_b)
{
	struct scratch *s = scratch_at(slot);
	if (!s)
		return 0;
	for (u32 i = 0; i < SUN_PATH_MAX; i++) {
		if (i >= len_a || i >= len_b)
			return len_a == len_b;
		char a = s->path[(len_a - 1 - i) & 127], b = s->path[SUN_PATH_MAX + ((len_b - 1 - i) & 127)];
		if (a != b)
			return 0;
		if (a == '/')
			return 1;
	}
	return 1;
}

/*
 * A connection to an AF_UNIX socket has two names: the path that the caller gave, which may be a link or may have been
 * changed by another thread since, and the one that the peer was bound to, perhaps in another mount namespace.
 * The caller's is in the first record; when the peer's ends differently, it follows in a record of its own.
 */
static __always_inline void connect_unix_peer(struct sock *sk, u64 addr, u32 len, u32 fd, short type, long ret)
{
	struct rec r;
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct unix_address *bound = BPF_CORE_READ((struct unix_sock *)peer, addr);
	if (!bound || !rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return;
	long bound_len = bpf_probe_read_kernel_str(r.s->path + SUN_PATH_MAX, SUN_PATH_MAX, bound->name[0].sun_path);
	if (bound_len <= 1)
		goto drop; /* without a path */
	u32 size = len - sizeof(u16) + 1;
	if (size > SUN_PATH_MAX)
		size = SUN_PATH_MAX;
	BOUND(size, 127);
	long asked_len = bpf_probe_read_user_str(r.s->path, size, (void *)addr + sizeof(u16));
	if (asked_len > 1 && same_last_component(r.slot, asked_len - 1, bound_len - 1))
		goto drop;
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, fd);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, type);
	put_unix_name(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, peer);
	HDR(r.s)->return_value = ret;
	rec_send(&r);
	return;
drop:
	rec_drop(&r);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(connect_exit, struct pt_regs *regs, long ret)
{
	struct rec r;
	bool compat = is_compat(current_task());
	u32 fd = syscall_arg(regs, 0, compat);
	u64 addr = syscall_arg(regs, 1, compat);
	u32 len = syscall_arg(regs, 2, compat);
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		goto out;
	struct socket *sock = fd_socket(r.task, fd);
	if (!sock) {
		rec_drop(&r);
		goto out;
	}
	struct sock *sk = BPF_CORE_READ(sock, sk);
	bool connected = ret == 0 || ret == -EINPROGRESS || ret == -EINTR;
	bool is_unix = BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX;
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, fd);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, BPF_CORE_READ(sock, type));
	HDR(r.s)->return_value = ret;
	if (is_unix || !connected || !put_peer(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, sk))
		put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, (void *)addr, len, SOCKADDR_MAX, USER);
	rec_send(&r);
	if (is_unix && connected)
		connect_unix_peer(sk, addr, len, fd, BPF_CORE_READ(sock, type), ret);
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/* dup, dup2, dup3 and fcntl(F_DUPFD): a shell whose input and output become a connection. */
SEC("tp_btf/sys_exit")
int BPF_PROG(dup_exit, struct pt_regs *regs, long newfd)
{
	struct rec r;
	if (newfd < 0)
		goto out;
	bool compat = is_compat(current_task());
	u32 oldfd = syscall_arg(regs, 0, compat);
	long nr = syscall_nr(regs);
	if (nr == SYSCALL(fcntl, compat)) {
		u32 cmd = syscall_arg(regs, 1, compat);
		if (cmd != 0 && cmd != 1030) /* F_DUPFD, F_DUPFD_CLOEXEC */
			goto out;
	}
	struct socket *sock = fd_socket(current_task(), newfd);
	if (!sock || !rec_begin(&r, EVENT_SOCKET_DUP, ARGC_SOCKET_DUP))
		goto out;
	put_int(r.s, ARG_SOCKET_DUP_OLDFD, oldfd);
	put_int(r.s, ARG_SOCKET_DUP_NEWFD, newfd);
	HDR(r.s)->return_value = newfd;
	if (put_peer(r.s, ARG_SOCKET_DUP_REMOTE_ADDR, BPF_CORE_READ(sock, sk)))
		rec_send(&r);
	else
		rec_drop(&r); /* not connected */
out:
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

HOOK(security_socket_create, int family, int type, int protocol, int kern)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CREATE, ARGC_SECURITY_SOCKET_CREATE))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_CREATE_FAMILY, family);
	put_int(r.s, ARG_SECURITY_SOCKET_CREATE_TYPE, type);
	put_int(r.s, ARG_SECURITY_SOCKET_CREATE_PROTOCOL, protocol);
	put_int(r.s, ARG_SECURITY_SOCKET_CREATE_KERN, kern);
	rec_send(&r);
	return 0;
}

HOOK(security_socket_bind, struct socket *sock, void *address, int addrlen)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_BIND, ARGC_SECURITY_SOCKET_BIND))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_BIND_SOCKFD, current_arg(r.task, 0));
	put_bytes(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, address, (u32)addrlen, SOCKADDR_MAX, KERNEL);
	rec_send(&r);
	return 0;
}

/* After bind, the socket knows its address; after a failure only the caller does. */
SEC("tp_btf/sys_exit")
int BPF_PROG(bind_exit, struct pt_regs *regs, long ret)
{
	struct rec r;
	bool compat = is_compat(current_task());
	if (rec_begin(&r, EVENT_SECURITY_SOCKET_BIND, ARGC_SECURITY_SOCKET_BIND)) {
		u32 fd = syscall_arg(regs, 0, compat);
		struct socket *sock = fd_socket(r.task, fd);
		put_int(r.s, ARG_SECURITY_SOCKET_BIND_SOCKFD, fd);
		if (ret || !sock || !put_local(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, BPF_CORE_READ(sock, sk)))
			put_bytes(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, (void *)syscall_arg(regs, 1, compat), (u32)syscall_arg(regs, 2, compat),
				  SOCKADDR_MAX, USER);
		HDR(r.s)->return_value = ret;
		if (sock)
			rec_send(&r);
		else
			rec_drop(&r);
	}
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

static __always_inline void listen_event(struct socket *sock, u32 fd, int backlog, long ret)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_LISTEN, ARGC_SECURITY_SOCKET_LISTEN))
		return;
	put_int(r.s, ARG_SECURITY_SOCKET_LISTEN_SOCKFD, fd);
	put_local(r.s, ARG_SECURITY_SOCKET_LISTEN_LOCAL_ADDR, BPF_CORE_READ(sock, sk));
	put_int(r.s, ARG_SECURITY_SOCKET_LISTEN_BACKLOG, backlog);
	HDR(r.s)->return_value = ret;
	rec_send(&r);
}

HOOK(security_socket_listen, struct socket *sock, int backlog)
{
	listen_event(sock, current_arg(current_task(), 0), backlog, 0);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(listen_exit, struct pt_regs *regs, long ret)
{
	bool compat = is_compat(current_task());
	u32 fd = syscall_arg(regs, 0, compat);
	struct socket *sock = fd_socket(current_task(), fd);
	if (sock)
		listen_event(sock, fd, syscall_arg(regs, 1, compat), ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

static __always_inline void accept_event(struct socket *sock, u32 fd, long ret)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_ACCEPT, ARGC_SECURITY_SOCKET_ACCEPT))
		return;
	put_int(r.s, ARG_SECURITY_SOCKET_ACCEPT_SOCKFD, fd);
	put_local(r.s, ARG_SECURITY_SOCKET_ACCEPT_LOCAL_ADDR, BPF_CORE_READ(sock, sk));
	HDR(r.s)->return_value = ret;
	rec_send(&r);
}

HOOK(security_socket_accept, struct socket *sock)
{
	accept_event(sock, current_arg(current_task(), 0), 0);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(accept_exit, struct pt_regs *regs, long ret)
{
	bool compat = is_compat(current_task());
	u32 fd = syscall_arg(regs, 0, compat);
	struct socket *sock = fd_socket(current_task(), fd);
	if (sock && ret >= 0)
		accept_event(sock, fd, ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}
