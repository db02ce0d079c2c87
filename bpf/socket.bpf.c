/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/* Sockets. The programs on security_* functions load as fentry or as the LSM hook of the same arguments. */
#include "headers/sensor.h"
#include "headers/socket.h"
#include "headers/syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What a call on a socket was given: in registers, or by socketcall, which old 32-bit programs use, in memory. */
struct socket_call {
	u32 fd;
	u64 addr;
	u32 len;
};

#define SYS_BIND 2 /* uapi/linux/net.h */
#define SYS_CONNECT 3
#define SYS_LISTEN 4
#define SYS_ACCEPT 5
#define SYS_ACCEPT4 18

static __always_inline struct socket_call in_memory(u64 address)
{
	u32 args[3] = {};
	bpf_probe_read_user(args, sizeof(args), (void *)address);
	struct socket_call c = {.fd = args[0], .addr = args[1], .len = args[2]};
	return c;
}

static __always_inline struct socket_call in_registers(struct pt_regs *regs)
{
	bool compat = is_compat(current_task());
	struct socket_call c = {.fd = syscall_arg(regs, 0, compat), .addr = syscall_arg(regs, 1, compat), .len = syscall_arg(regs, 2, compat)};
	return c;
}

/* Saves the descriptor of the socket, when the current system call is one of the given and thus has it. */
static __always_inline void put_sockfd(struct rec *r, u32 arg, s32 nr, s32 or, s32 nr32, s32 or32, u32 call, u32 or_call)
{
	rec_call(r);
	if (!r->compat) {
		if (r->syscall == nr || r->syscall == or)
			put_int(r->s, arg, call_arg(r->task, 0, false));
	} else if (r->syscall == NR32_socketcall) {
		u32 made = call_arg(r->task, 0, true);
		if (made == call || made == or_call)
			put_int(r->s, arg, in_memory(call_arg(r->task, 1, true)).fd);
	} else if (r->syscall == nr32 || r->syscall == or32) {
		put_int(r->s, arg, call_arg(r->task, 0, true));
	}
}
#define PUT_SOCKFD(r, arg, name, NAME) put_sockfd(r, arg, NR_##name, NR_##name, NR32_##name, NR32_##name, SYS_##NAME, SYS_##NAME)

#define SUN_PATH_MAX 108

/* The AF_UNIX name that a thread is connecting to, as the kernel copied it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct sockaddr_un);
} connecting SEC(".maps");

HOOK(security_socket_connect, struct socket *sock, void *address, int addrlen)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	PUT_SOCKFD(&r, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, connect, CONNECT);
	/* The kernel's own copy of what the caller gave. */
	put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, address, (u32)addrlen, SOCKADDR_MAX, KERNEL);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, FIELD(sock, type));
	if (BPF_CORE_READ(sock, sk, __sk_common.skc_family) == AF_UNIX) {
		u32 tid = bpf_get_current_pid_tgid();
		u32 len = addrlen;
		struct sockaddr_un name = {};
		if (len > sizeof(name))
			len = sizeof(name);
		BOUND(len, 127);
		bpf_probe_read_kernel(&name, len, address);
		bpf_map_update_elem(&connecting, &tid, &name, BPF_ANY);
	}
	rec_send(&r);
	return 0;
}

#define EINPROGRESS 115
#define EINTR 4

/*
 * Whether two paths of a socket are the same (2), or end in the same name (1): it may be mounted in another place, as a container's docker.sock mostly
 * is, and /var/run is a link. They lie in s->path, the second one SUN_PATH_MAX later.
 */
__noinline int same_name(u32 slot, u32 len_a, u32 len_b)
{
	struct scratch *s = scratch_at(slot);
	u32 i, alike = 0;
	if (!s)
		return 0;
	for (i = 0; i < SUN_PATH_MAX; i++) {
		if (i >= len_a || i >= len_b)
			break;
		u8 c = s->path[(len_a - 1 - i) & 127];
		if (c != s->path[SUN_PATH_MAX + ((len_b - 1 - i) & 127)])
			return alike;
		if (c == '/')
			alike = 1;
	}
	return len_a == len_b ? 2 : 1; /* one may be relative to the working directory */
}

/* Puts the path that a socket is bound to beside s->path; returns its length with the NUL, or at most 1 when it has none. */
static __always_inline long read_bound(struct scratch *s, struct sock *sk)
{
	struct unix_address *bound = BPF_CORE_READ((struct unix_sock *)sk, addr);
	return bound ? bpf_probe_read_kernel_str(s->path + SUN_PATH_MAX, SUN_PATH_MAX, bound->name[0].sun_path) : 0;
}

/*
 * What a caller connected to may be a link: the name that the peer is bound to follows in a record of its own, when it is
 * another one.
 */
HOOK(security_unix_stream_connect, struct sock *sk, struct sock *other)
{
	struct rec r;
	u32 tid = bpf_get_current_pid_tgid();
	struct sockaddr_un *asked = bpf_map_lookup_elem(&connecting, &tid);
	if (!asked || !rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	long bound_len = read_bound(r.s, other);
	long asked_len = bpf_probe_read_kernel_str(r.s->path, SUN_PATH_MAX, asked->sun_path);
	bpf_map_delete_elem(&connecting, &tid);
	if (bound_len <= 1 || (asked_len > 1 && same_name(r.slot, asked_len - 1, bound_len - 1))) {
		rec_drop(&r);
		return 0;
	}
	PUT_SOCKFD(&r, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, connect, CONNECT);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, BPF_CORE_READ(sk, sk_socket, type));
	put_unix_name(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, other);
	rec_send(&r);
	return 0;
}

/* TCP Fast Open connects while it sends, and asks no LSM hook of connections. */
HOOK(__inet_stream_connect, struct socket *sock, void *address, int addrlen, int flags, int is_sendmsg)
{
	struct rec r;
	if (!is_sendmsg || !rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	put_sockfd(&r, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, NR_sendto, NR_sendmsg, NR32_sendto, NR32_sendmsg, 0, 0);
	put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, address, (u32)addrlen, SOCKADDR_MAX, KERNEL);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, FIELD(sock, type));
	rec_send(&r);
	return 0;
}

/* The events of these calls are functions of their own: in one, older verifiers lose count. */

enum match { UNKNOWN, SAME, ALIKE, OTHER };

/* Whether the peer of a connected AF_UNIX socket is bound to the name that is in the caller's memory now. */
static __always_inline enum match match_peer(struct rec *r, struct sock *peer, struct socket_call *c)
{
	long bound_len = read_bound(r->s, peer);
	if (bound_len <= 1)
		return UNKNOWN; /* it has no path */
	u32 size = c->len - sizeof(u16) + 1;
	if (size > SUN_PATH_MAX)
		size = SUN_PATH_MAX;
	BOUND(size, 127);
	long asked_len = bpf_probe_read_user_str(r->s->path, size, (void *)c->addr + sizeof(u16));
	switch (asked_len > 1 ? same_name(r->slot, asked_len - 1, bound_len - 1) : 0) {
	case 2:
		return SAME;
	case 1:
		return ALIKE;
	}
	return OTHER;
}

/*
 * The address is the peer's. A connection to an AF_UNIX socket has two names: the path that the caller gave, which may be a
 * link or may have been changed by another thread since, and the one that the peer is bound to, perhaps in another mount
 * namespace. When they end in different names, each has a record; the caller's is marked as read from its memory.
 */
static __noinline int connect_event(struct socket_call *c, long ret)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	struct socket *sock = fd_socket(r.task, c->fd);
	if (!sock) {
		rec_drop(&r);
		return 0;
	}
	struct sock *sk = BPF_CORE_READ(sock, sk), *peer = NULL;
	short type = BPF_CORE_READ(sock, type);
	bool connected = ret == 0 || ret == -EINPROGRESS || ret == -EINTR;
	bool from_peer = connected;
	enum match match = UNKNOWN;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX) {
		peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
		if (connected)
			match = match_peer(&r, peer, c);
		from_peer = match == SAME;
	}
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, c->fd);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, type);
	HDR(r.s)->return_value = ret;
	if (!from_peer || !put_peer(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, sk))
		put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, (void *)c->addr, c->len, SOCKADDR_MAX, USER);
	rec_send(&r);
	if (match != OTHER || !rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, c->fd);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, type);
	put_unix_name(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, peer);
	HDR(r.s)->return_value = ret;
	rec_send(&r);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(connect_exit, struct pt_regs *regs, long ret)
{
	struct socket_call c = in_registers(regs);
	connect_event(&c, ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

#define MSG_FASTOPEN 0x20000000

/* The same by TCP Fast Open; what follows on the connected socket fails with EISCONN. */
SEC("tp_btf/sys_exit")
int BPF_PROG(fastopen_exit, struct pt_regs *regs, long ret)
{
	struct rec r;
	bool compat = is_compat(current_task());
	u32 flags = syscall_arg(regs, syscall_nr(regs) == SYSCALL(sendto, compat) ? 3 : 2, compat);
	bool connects = ret >= 0 || ret == -EINPROGRESS || ret == -EINTR;
	if (!(flags & MSG_FASTOPEN) || !connects || !rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		goto out;
	u32 fd = syscall_arg(regs, 0, compat);
	struct socket *sock = fd_socket(r.task, fd);
	if (!sock || !put_peer(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, BPF_CORE_READ(sock, sk))) {
		rec_drop(&r);
		goto out;
	}
	put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, fd);
	put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, BPF_CORE_READ(sock, type));
	HDR(r.s)->return_value = ret;
	rec_send(&r);
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
	PUT_SOCKFD(&r, ARG_SECURITY_SOCKET_BIND_SOCKFD, bind, BIND);
	put_bytes(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, address, (u32)addrlen, SOCKADDR_MAX, KERNEL);
	rec_send(&r);
	return 0;
}

/* After bind, the socket knows its address; after a failure only the caller does. */
static __noinline int bind_event(struct socket_call *c, long ret)
{
	struct rec r;
	struct socket *sock = fd_socket(current_task(), c->fd);
	if (!sock || !rec_begin(&r, EVENT_SECURITY_SOCKET_BIND, ARGC_SECURITY_SOCKET_BIND))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_BIND_SOCKFD, c->fd);
	if (ret || !put_local(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, BPF_CORE_READ(sock, sk)))
		put_bytes(r.s, ARG_SECURITY_SOCKET_BIND_LOCAL_ADDR, (void *)c->addr, c->len, SOCKADDR_MAX, USER);
	HDR(r.s)->return_value = ret;
	rec_send(&r);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(bind_exit, struct pt_regs *regs, long ret)
{
	struct socket_call c = in_registers(regs);
	bind_event(&c, ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

static __always_inline void send_listen(struct rec *r, struct socket *sock, int backlog, long ret)
{
	put_local(r->s, ARG_SECURITY_SOCKET_LISTEN_LOCAL_ADDR, BPF_CORE_READ(sock, sk));
	put_int(r->s, ARG_SECURITY_SOCKET_LISTEN_BACKLOG, backlog);
	HDR(r->s)->return_value = ret;
	rec_send(r);
}

HOOK(security_socket_listen, struct socket *sock, int backlog)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_LISTEN, ARGC_SECURITY_SOCKET_LISTEN))
		return 0;
	PUT_SOCKFD(&r, ARG_SECURITY_SOCKET_LISTEN_SOCKFD, listen, LISTEN);
	send_listen(&r, sock, backlog, 0);
	return 0;
}

static __noinline int listen_event(struct socket_call *c, long ret)
{
	struct rec r;
	struct socket *sock = fd_socket(current_task(), c->fd);
	if (!sock || !rec_begin(&r, EVENT_SECURITY_SOCKET_LISTEN, ARGC_SECURITY_SOCKET_LISTEN))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_LISTEN_SOCKFD, c->fd);
	send_listen(&r, sock, c->addr, ret);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(listen_exit, struct pt_regs *regs, long ret)
{
	struct socket_call c = in_registers(regs);
	listen_event(&c, ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

static __always_inline void send_accept(struct rec *r, struct socket *sock, long ret)
{
	put_local(r->s, ARG_SECURITY_SOCKET_ACCEPT_LOCAL_ADDR, BPF_CORE_READ(sock, sk));
	HDR(r->s)->return_value = ret;
	rec_send(r);
}

HOOK(security_socket_accept, struct socket *sock)
{
	struct rec r;
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_ACCEPT, ARGC_SECURITY_SOCKET_ACCEPT))
		return 0;
	put_sockfd(&r, ARG_SECURITY_SOCKET_ACCEPT_SOCKFD, NR_accept, NR_accept4, NR32_accept, NR32_accept4, SYS_ACCEPT, SYS_ACCEPT4);
	send_accept(&r, sock, 0);
	return 0;
}

static __noinline int accept_event(struct socket_call *c, long ret)
{
	struct rec r;
	struct socket *sock = ret >= 0 ? fd_socket(current_task(), c->fd) : NULL;
	if (!sock || !rec_begin(&r, EVENT_SECURITY_SOCKET_ACCEPT, ARGC_SECURITY_SOCKET_ACCEPT))
		return 0;
	put_int(r.s, ARG_SECURITY_SOCKET_ACCEPT_SOCKFD, c->fd);
	send_accept(&r, sock, ret);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(accept_exit, struct pt_regs *regs, long ret)
{
	struct socket_call c = in_registers(regs);
	accept_event(&c, ret);
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}

/* All of them for old 32-bit programs. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socketcall_exit, struct pt_regs *regs, long ret)
{
	struct socket_call c = in_memory(syscall_arg(regs, 1, true));
	switch ((u32)syscall_arg(regs, 0, true)) {
	case SYS_CONNECT:
		connect_event(&c, ret);
		break;
	case SYS_BIND:
		bind_event(&c, ret);
		break;
	case SYS_LISTEN:
		listen_event(&c, ret);
		break;
	case SYS_ACCEPT:
	case SYS_ACCEPT4:
		accept_event(&c, ret);
	}
	bpf_tail_call(ctx, &after_handler, 0);
	return 0;
}
