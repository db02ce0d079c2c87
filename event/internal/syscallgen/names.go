package main

// noSyscalls are functions that have a tracepoint, but that no program calls by a number of its own.
var noSyscalls = []string{"uprobe", "uretprobe"}

// callNames are the system calls whose function has another name.
var callNames = map[string]string{
	"newstat": "stat", "newlstat": "lstat", "newfstat": "fstat", "newuname": "uname", "sendfile64": "sendfile", "umount": "umount2",
}

// commonNames are the manual's names for arguments that the kernel calls otherwise.
var commonNames = map[string]string{
	"dfd": "dirfd", "filename": "pathname", "path": "pathname", "oldname": "oldpath", "newname": "newpath", "olddfd": "olddirfd",
	"newdfd": "newdirfd", "user": "owner", "vec": "iov", "vlen": "iovcnt", "ubuf": "buf", "upeer_sockaddr": "addr", "upeer_addrlen": "addrlen",
	"usockaddr": "addr", "usockaddr_len": "addrlen", "umyaddr": "addr", "uservaddr": "addr", "addr_len": "addrlen", "specialfile": "path",
	"clone_flags": "flags", "unshare_flags": "flags", "flag": "flags", "usize": "size", "ufds": "fds", "fildes": "fd", "which_clock": "clockid",
	"error_code": "status", "user_mask_ptr": "mask", "which": "which", "_key": "key", "_value": "value", "_fs_name": "fsname", "_type": "type",
	"_description": "description", "_payload": "payload", "_callout_info": "callout_info", "u_name": "name", "uname": "name", "behavior": "advice",
}

// argNames are the manual's names for all arguments of a system call; "" keeps the kernel's.
var argNames = map[string][]string{
	"accept": {"sockfd", "addr", "addrlen"}, "accept4": {"sockfd", "addr", "addrlen", "flags"}, "bind": {"sockfd", "addr", "addrlen"},
	"listen": {"sockfd", "backlog"}, "getsockname": {"sockfd", "addr", "addrlen"}, "getpeername": {"sockfd", "addr", "addrlen"},
	"getsockopt": {"sockfd", "", "", "", ""}, "setsockopt": {"sockfd", "", "", "", ""}, "shutdown": {"sockfd", ""},
	"sendto": {"sockfd", "buf", "len", "flags", "dest_addr", "addrlen"}, "recvfrom": {"sockfd", "buf", "len", "flags", "src_addr", "addrlen"},
	"sendmsg": {"sockfd", "", ""}, "recvmsg": {"sockfd", "", ""}, "sendmmsg": {"sockfd", "msgvec", "vlen", "flags"},
	"recvmmsg": {"sockfd", "msgvec", "vlen", "flags", "timeout"}, "socket": {"domain", "type", "protocol"}, "socketpair": {"domain", "type", "protocol", "sv"},
	"dup": {"oldfd"}, "close_range": {"first", "last", "flags"}, "pipe": {"pipefd"}, "pipe2": {"pipefd", "flags"},
	"mmap": {"addr", "length", "prot", "flags", "fd", "off"}, "munmap": {"addr", "length"}, "mprotect": {"addr", "", ""},
	"pkey_mprotect": {"addr", "", "", ""}, "mremap": {"old_address", "old_size", "new_size", "flags", "new_address"}, "madvise": {"addr", "length", "advice"},
	"mincore": {"addr", "length", "vec"}, "msync": {"addr", "length", "flags"}, "mlock": {"addr", "len"}, "mlock2": {"addr", "len", "flags"},
	"munlock": {"addr", "len"}, "mbind": {"addr", "len", "mode", "nodemask", "maxnode", "flags"}, "mseal": {"addr", "len", "flags"},
	"brk": {"addr"}, "clone": {"flags", "stack", "parent_tid", "child_tid", "tls"}, "clone3": {"cl_args", "size"},
	"mount": {"source", "target", "filesystemtype", "mountflags", "data"}, "umount2": {"target", "flags"},
	"link": {"oldpath", "newpath"}, "symlink": {"target", "linkpath"}, "symlinkat": {"target", "newdirfd", "linkpath"},
	"swapon": {"path", "swapflags"}, "mq_open": {"name", "oflag", "mode", "attr"}, "readlinkat": {"dirfd", "pathname", "buf", "bufsiz"},
	"rt_sigaction": {"signum", "act", "oldact", "sigsetsize"}, "rt_sigprocmask": {"how", "set", "oldset", "sigsetsize"},
	"rt_sigqueueinfo": {"tgid", "sig", "info"}, "rt_tgsigqueueinfo": {"tgid", "tid", "sig", "info"}, "tgkill": {"tgid", "tid", "sig"}, "tkill": {"tid", "sig"},
	"epoll_ctl": {"epfd", "op", "fd", "event"}, "poll": {"fds", "nfds", "timeout"}, "select": {"nfds", "readfds", "writefds", "exceptfds", "timeout"},
	"pselect6": {"nfds", "readfds", "writefds", "exceptfds", "timeout", "sigmask"}, "ppoll": {"fds", "nfds", "tmo_p", "sigmask", "sigsetsize"},
	"nanosleep": {"req", "rem"}, "wait4": {"pid", "wstatus", "options", "rusage"}, "waitid": {"idtype", "id", "infop", "options", "rusage"},
	"sendfile": {"out_fd", "in_fd", "offset", "count"}, "tee": {"fd_in", "fd_out", "len", "flags"}, "vmsplice": {"fd", "iov", "nr_segs", "flags"},
	"fcntl": {"fd", "cmd", "arg"}, "ioctl": {"fd", "request", "arg"}, "flock": {"fd", "operation"}, "getdents": {"fd", "dirp", "count"},
	"getdents64": {"fd", "dirp", "count"}, "pread64": {"fd", "buf", "count", "offset"}, "pwrite64": {"fd", "buf", "count", "offset"},
	"init_module": {"module_image", "len", "param_values"}, "finit_module": {"fd", "param_values", "flags"}, "delete_module": {"name", "flags"},
	"connect": {"sockfd", "addr", "addrlen"}, "memfd_create": {"name", "flags"}, "execveat": {"dirfd", "pathname", "argv", "envp", "flags"},
	"name_to_handle_at": {"dirfd", "pathname", "handle", "mount_id", "flags"}, "open_by_handle_at": {"mount_fd", "handle", "flags"},
	"perf_event_open": {"attr", "pid", "cpu", "group_fd", "flags"}, "seccomp": {"operation", "flags", "args"}, "setns": {"fd", "nstype"},
	"getrandom": {"buf", "buflen", "flags"}, "pidfd_getfd": {"pidfd", "targetfd", "flags"}, "syslog": {"type", "bufp", "len"},
	"uname": {"buf"}, "sysinfo": {"info"}, "personality": {"persona"}, "kexec_file_load": {"kernel_fd", "initrd_fd", "cmdline_len", "cmdline", "flags"},
	"setdomainname": {"name", "len"}, "quotactl": {"cmd", "special", "id", "addr"}, "fspick": {"dirfd", "pathname", "flags"},
}

// texts are the names of arguments of type char * that are texts, ending in NUL.
var texts = map[string]bool{
	"pathname": true, "path": true, "oldpath": true, "newpath": true, "target": true, "linkpath": true, "name": true, "source": true,
	"filesystemtype": true, "special": true, "fsname": true, "key": true, "type": true, "description": true, "callout_info": true,
	"new_root": true, "put_old": true, "from_pathname": true, "to_pathname": true, "param_values": true, "cmdline": true, "library": true,
}

// buffers are those that are not texts all the same.
var buffers = []string{"uname.name"}

// descriptors are arguments that the kernel takes as unsigned numbers, although programs pass -1, or AT_FDCWD.
var descriptors = map[string]bool{"fd": true, "oldfd": true, "newfd": true}

// types are arguments whose type says less than is known.
var types = map[string]string{
	"mmap.addr": "void*", "mmap.length": "size_t", "mmap.prot": "int", "mmap.flags": "int", "mmap.fd": "int", "mmap.off": "off_t", "munmap.addr": "void*",
	"mprotect.addr": "void*", "mprotect.prot": "int", "pkey_mprotect.addr": "void*", "pkey_mprotect.prot": "int", "mremap.old_address": "void*",
	"mremap.new_address": "void*", "madvise.addr": "void*", "mincore.addr": "void*", "msync.addr": "void*", "mlock.addr": "void*", "mlock2.addr": "void*",
	"munlock.addr": "void*", "mbind.addr": "void*", "mseal.addr": "void*", "brk.addr": "void*", "clone.stack": "void*", "ptrace.addr": "void*",
	"ptrace.data": "void*", "shmat.shmaddr": "void*", "shmdt.shmaddr": "void*",
}

// encodings are the text encodings of the catalogue, by call and argument.
var encodings = map[string]string{
	"open.flags": "open", "mq_open.oflag": "open", "open_by_handle_at.flags": "open", "mmap.prot": "prot", "mmap.flags": "mmap", "mprotect.prot": "prot",
	"pkey_mprotect.prot": "prot", "socket.domain": "domain", "socket.type": "socktype", "socketpair.domain": "domain", "socketpair.type": "socktype",
	"accept4.flags": "socktype", "clone.flags": "clone", "mount.mountflags": "mount", "mkdir.mode": "mode", "mkdirat.mode": "mode", "mknod.mode": "mode",
	"mknodat.mode": "mode", "chmod.mode": "mode", "fchmod.mode": "mode", "fchmodat2.mode": "mode", "rt_sigaction.signum": "signal", "tgkill.sig": "signal",
	"tkill.sig": "signal", "pidfd_send_signal.sig": "signal", "rt_sigqueueinfo.sig": "signal", "rt_tgsigqueueinfo.sig": "signal",
}

// scalars are the catalogue's names for the kernel's types of numbers.
var scalars = map[string]string{
	"int": "int", "unsigned int": "unsigned int", "unsigned": "unsigned int", "long": "long", "unsigned long": "unsigned long", "size_t": "size_t",
	"loff_t": "loff_t", "off_t": "off_t", "pid_t": "pid_t", "uid_t": "uid_t", "gid_t": "gid_t", "umode_t": "mode_t", "key_t": "key_t", "u32": "u32",
	"__u32": "u32", "__s32": "s32", "u64": "u64", "__u64": "u64", "clockid_t": "clockid_t", "mqd_t": "int", "timer_t": "int", "qid_t": "u32",
	"key_serial_t": "int", "aio_context_t": "unsigned long", "rwf_t": "int", "enum landlock_rule_type": "int",
}
