/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
//go:build ignore

/*
 * Requests of io_uring are no system calls: kernel threads may make them. Programs on kernel functions see them like any
 * other; these stand in for the programs on system calls, on the two tracepoints that every request passes. The tracepoints
 * give numbers instead of pointers on some kernels, so requests are read by a helper.
 */
#include "headers/sensor.h"
#include "headers/path.h"
#include "headers/socket.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* uapi/linux/io_uring.h */
#define IORING_OP_CONNECT 16
#define IORING_OP_OPENAT 18
#define IORING_OP_OPENAT2 28
#define REQ_F_FIXED_FILE 1 /* include/linux/io_uring_types.h: the flags of an entry, under other names */
#define REQ_F_CQE_SKIP 0x40

#define CMD(req, type) ((struct type *)((void *)(req) + bpf_core_field_offset(struct io_kiocb, cmd)))

static __always_inline bool is_open(u8 opcode)
{
	return opcode == IORING_OP_OPENAT || opcode == IORING_OP_OPENAT2;
}

/* Whether the file will have no descriptor that the completion tells of. */
static __always_inline bool opens_unseen(struct io_kiocb *req)
{
	return (BPF_CORE_READ(req, flags) & REQ_F_CQE_SKIP) || BPF_CORE_READ(CMD(req, io_open), file_slot);
}

/* The kernel's copy of the name, made absolute: links and dots stay. */
static __always_inline void open_by_name(struct io_kiocb *req)
{
	struct rec r;
	struct io_open *open = CMD(req, io_open);
	struct io_open___v70 *delayed = (void *)open;
	if (!rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN))
		return;
	const char *name = bpf_core_type_exists(struct delayed_filename) ?
				   BPF_CORE_READ(delayed, filename.__incomplete_filename, name) : BPF_CORE_READ(open, filename, name);
	put_at_path(r.s, r.slot, ARG_SECURITY_FILE_OPEN_PATHNAME, BPF_CORE_READ(open, dfd), name, KERNEL);
	put_str(r.s, ARG_SECURITY_FILE_OPEN_SYSCALL_PATHNAME, name, KERNEL);
	put_int(r.s, ARG_SECURITY_FILE_OPEN_FLAGS, BPF_CORE_READ(open, how.flags));
	rec_send(&r);
}

/*
 * The kernel's copy of the address, where it is made before the request runs. It is alone, or within a message, which begins
 * with a pointer: numbers of families that matter are no multiples of eight.
 */
static __always_inline void *copied_address(struct io_kiocb *req)
{
	void *copy = BPF_CORE_READ(req, async_data);
	u64 first = 0;
	if (copy && bpf_core_type_exists(struct io_async_msghdr)) {
		bpf_probe_read_kernel(&first, sizeof(first), copy);
		if (!(first & 7))
			copy += bpf_core_field_offset(struct io_async_msghdr, addr);
	}
	return copy;
}

/* Else the caller's. */
static __always_inline void connect_request(struct io_kiocb *req)
{
	struct rec r;
	struct io_connect *connect = CMD(req, io_connect);
	if (!rec_begin(&r, EVENT_SECURITY_SOCKET_CONNECT, ARGC_SECURITY_SOCKET_CONNECT))
		return;
	void *copy = copied_address(req);
	u32 len = BPF_CORE_READ(connect, addr_len);
	if (copy)
		put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, copy, len, SOCKADDR_MAX, KERNEL);
	else
		put_bytes(r.s, ARG_SECURITY_SOCKET_CONNECT_REMOTE_ADDR, BPF_CORE_READ(connect, addr), len, SOCKADDR_MAX, USER);
	if (!(BPF_CORE_READ(req, flags) & REQ_F_FIXED_FILE)) {
		u32 fd = BPF_CORE_READ(req, cqe.fd);
		struct socket *sock = fd_socket(r.task, fd);
		put_int(r.s, ARG_SECURITY_SOCKET_CONNECT_SOCKFD, fd);
		if (sock)
			put(r.s, ARG_SECURITY_SOCKET_CONNECT_TYPE, BPF_CORE_READ(sock, type));
	}
	rec_send(&r);
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(io_uring_submit_req, struct io_kiocb *req)
{
	u8 opcode = BPF_CORE_READ(req, opcode);
	if (opcode == IORING_OP_CONNECT)
		connect_request(req);
	else if (is_open(opcode) && opens_unseen(req))
		open_by_name(req);
	return 0;
}

/* The descriptor is in the table of whoever completes the request: the process, or a kernel thread of it. */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(io_uring_complete, void *ring, struct io_kiocb *req)
{
	struct rec r;
	if (!req || !is_open(BPF_CORE_READ(req, opcode)) || opens_unseen(req))
		return 0;
	s32 fd = BPF_CORE_READ(req, cqe.res);
	if (fd < 0 || !rec_begin(&r, EVENT_SECURITY_FILE_OPEN, ARGC_SECURITY_FILE_OPEN))
		return 0;
	struct file *file = fd_file(r.task, fd);
	if (!file) {
		rec_drop(&r);
		return 0;
	}
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	put_file_path(&r, ARG_SECURITY_FILE_OPEN_PATHNAME, file);
	put(r.s, ARG_SECURITY_FILE_OPEN_FLAGS, BPF_CORE_READ(file, f_flags) | (u32)BPF_CORE_READ(CMD(req, io_open), how.flags));
	put(r.s, ARG_SECURITY_FILE_OPEN_DEV, BPF_CORE_READ(inode, i_sb, s_dev));
	put(r.s, ARG_SECURITY_FILE_OPEN_INODE, BPF_CORE_READ(inode, i_ino));
	put(r.s, ARG_SECURITY_FILE_OPEN_CTIME, inode_ctime(inode));
	HDR(r.s)->return_value = fd;
	rec_send(&r);
	return 0;
}
