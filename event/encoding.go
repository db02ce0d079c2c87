package event

import (
	"strconv"
	"strings"
)

// Encoding turns a number into the text that people and rules read. Encodings are two-way: Number undoes Text
// for every text that Text makes, which is how recorded events get back their numbers.
type Encoding uint8

const (
	EncNone Encoding = iota
	EncOpenFlags
	EncPtraceRequest
	EncCapability
	EncSocketDomain
	EncSocketType
	EncPrctlOption
	EncBPFCommand
	EncCloneFlags
	EncInodeMode
	EncProt
	EncMmapFlags
	EncMountFlags
	EncKernelRead
	EncMemAlert
	EncSyscall
	EncBPFProgType
	EncSignal
	// EncEnviron marks the list of a process's environment, whose values are often secrets: see AppendRedactedJSON.
	EncEnviron
)

var encodings = map[string]Encoding{
	"open": EncOpenFlags, "ptrace": EncPtraceRequest, "cap": EncCapability, "domain": EncSocketDomain, "socktype": EncSocketType,
	"prctl": EncPrctlOption, "bpfcmd": EncBPFCommand, "clone": EncCloneFlags, "mode": EncInodeMode, "prot": EncProt,
	"mmap": EncMmapFlags, "mount": EncMountFlags, "kread": EncKernelRead, "memalert": EncMemAlert, "syscall": EncSyscall,
	"progtype": EncBPFProgType, "signal": EncSignal, "environ": EncEnviron,
}

// Name returns the name of the encoding in prototypes ("open", "cap"), or "" of EncNone.
func (e Encoding) Name() string {
	for name, enc := range encodings {
		if enc == e {
			return name
		}
	}
	return ""
}

type name struct {
	value uint64
	text  string
}

// A codec is the table behind an encoding. Either one value has one name, or names are joined by "|".
type codec struct {
	flags bool
	// mask selects a part of a flag word that is an enumeration (the access mode of open, the type of an inode).
	mask  uint64
	enums []name // names of the masked part
	names []name
	zero  string // the text of a flag word without any bit
}

// Text returns the text of v. A value without a name is its decimal number; unnamed bits are appended as 0x….
func (e Encoding) Text(v uint64) string {
	if name, ok := e.name(v); ok {
		return name
	}
	var buf [64]byte
	return string(e.AppendText(buf[:0], v))
}

// name returns the text of what has one name.
func (e Encoding) name(v uint64) (string, bool) {
	switch {
	case e == EncNone:
	case e == EncSyscall:
		return SyscallName(int32(v)), true
	case !codecs[e].flags:
		for _, n := range codecs[e].names {
			if n.value == v {
				return n.text, true
			}
		}
	}
	return "", false
}

// AppendText appends what Text returns.
func (e Encoding) AppendText(dst []byte, v uint64) []byte {
	if name, ok := e.name(v); ok {
		return append(dst, name...)
	}
	if e == EncNone {
		return strconv.AppendUint(dst, v, 10)
	}
	c := &codecs[e]
	if !c.flags {
		return strconv.AppendInt(dst, int64(v), 10)
	}
	v = uint64(uint32(v)) // all flag words here are 32 bits wide
	at := len(dst)
	add := func(s string) {
		if len(dst) > at {
			dst = append(dst, '|')
		}
		dst = append(dst, s...)
	}
	if c.mask != 0 {
		for _, n := range c.enums {
			if v&c.mask == n.value {
				add(n.text)
				v &^= c.mask
				break
			}
		}
	}
	for _, n := range c.names {
		if n.value != 0 && v&n.value == n.value {
			add(n.text)
			v &^= n.value
		}
	}
	if v != 0 {
		add("0x")
		dst = strconv.AppendUint(dst, v, 16)
	}
	if len(dst) == at {
		return append(dst, c.zero...)
	}
	return dst
}

// Number is the inverse of Text. It reports false for a text that no value has.
func (e Encoding) Number(text string) (uint64, bool) {
	switch e {
	case EncNone:
		v, err := strconv.ParseInt(text, 10, 64)
		return uint64(v), err == nil
	case EncSyscall:
		if n := SyscallNumber(text); n >= 0 {
			return uint64(n), true
		}
		v, err := strconv.ParseInt(text, 10, 32)
		return uint64(v), err == nil
	}
	c := &codecs[e]
	if !c.flags {
		for _, n := range c.names {
			if n.text == text {
				return n.value, true
			}
		}
		v, err := strconv.ParseInt(text, 10, 64)
		return uint64(v), err == nil
	}
	if text == c.zero {
		return 0, true
	}
	var v uint64
	for part := range strings.SplitSeq(text, "|") {
		n, ok := lookup(c.enums, part)
		if !ok {
			n, ok = lookup(c.names, part)
		}
		if !ok {
			hex, found := strings.CutPrefix(part, "0x")
			if !found {
				return 0, false
			}
			x, err := strconv.ParseUint(hex, 16, 32)
			if err != nil {
				return 0, false
			}
			n = x
		}
		v |= n
	}
	return v, true
}

// Bits returns the mask and value that a flag word has exactly when its text contains the named flag, so that a
// condition on the text can be tested on the number. It reports false for enumerations and unknown names.
func (e Encoding) Bits(flag string) (mask, value uint64, ok bool) {
	if int(e) >= len(codecs) || !codecs[e].flags {
		return 0, 0, false
	}
	c := &codecs[e]
	if v, found := lookup(c.enums, flag); found {
		return c.mask, v, true
	}
	if v, found := lookup(c.names, flag); found {
		return v, v, true
	}
	return 0, 0, false
}

// Names lists the texts of the encoding's single values or flags.
func (e Encoding) Names() []string {
	if int(e) >= len(codecs) {
		return nil
	}
	var out []string
	for _, t := range [][]name{codecs[e].enums, codecs[e].names} {
		for _, n := range t {
			out = append(out, n.text)
		}
	}
	return out
}

// Flags reports whether texts are flags joined by "|".
func (e Encoding) Flags() bool { return int(e) < len(codecs) && codecs[e].flags }

func lookup(names []name, text string) (uint64, bool) {
	for _, n := range names {
		if n.text == text {
			return n.value, true
		}
	}
	return 0, false
}

func sequence(prefix string, from uint64, texts ...string) []name {
	var out []name
	for i, t := range texts {
		if t != "" {
			out = append(out, name{from + uint64(i), prefix + t})
		}
	}
	return out
}

// The values below are the kernel's user-space ABI (include/uapi/linux and asm-generic). The open flags are
// x86-64's and arm64's where they agree; O_DIRECT, O_DIRECTORY, O_NOFOLLOW and O_LARGEFILE differ, see openFlags.
var codecs = [...]codec{
	// fcntl.h. Longer masks come first: O_SYNC contains O_DSYNC, O_TMPFILE contains O_DIRECTORY.
	EncOpenFlags: {flags: true, mask: 3, zero: "O_RDONLY", enums: []name{{0, "O_RDONLY"}, {1, "O_WRONLY"}, {2, "O_RDWR"}}, names: openFlags},
	// ptrace.h
	EncPtraceRequest: {names: append(sequence("PTRACE_", 0, "TRACEME", "PEEKTEXT", "PEEKDATA", "PEEKUSR", "POKETEXT", "POKEDATA", "POKEUSR", "CONT",
		"KILL", "SINGLESTEP", "", "", "GETREGS", "SETREGS", "GETFPREGS", "SETFPREGS", "ATTACH", "DETACH", "GETFPXREGS", "SETFPXREGS", "", "OLDSETOPTIONS",
		"", "", "SYSCALL", "GET_THREAD_AREA", "SET_THREAD_AREA", "", "", "", "ARCH_PRCTL", "SYSEMU", "SYSEMU_SINGLESTEP", "SINGLEBLOCK"),
		sequence("PTRACE_", 0x4200, "SETOPTIONS", "GETEVENTMSG", "GETSIGINFO", "SETSIGINFO", "GETREGSET", "SETREGSET", "SEIZE", "INTERRUPT", "LISTEN",
			"PEEKSIGINFO", "GETSIGMASK", "SETSIGMASK", "SECCOMP_GET_FILTER", "SECCOMP_GET_METADATA", "GET_SYSCALL_INFO", "GET_RSEQ_CONFIGURATION",
			"SET_SYSCALL_USER_DISPATCH_CONFIG", "GET_SYSCALL_USER_DISPATCH_CONFIG", "SET_SYSCALL_INFO")...)},
	// capability.h
	EncCapability: {names: sequence("CAP_", 0, "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
		"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
		"AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE")},
	// socket.h
	EncSocketDomain: {names: sequence("AF_", 0, "UNSPEC", "UNIX", "INET", "AX25", "IPX", "APPLETALK", "NETROM", "BRIDGE", "ATMPVC", "X25", "INET6", "ROSE",
		"DECnet", "NETBEUI", "SECURITY", "KEY", "NETLINK", "PACKET", "ASH", "ECONET", "ATMSVC", "RDS", "SNA", "IRDA", "PPPOX", "WANPIPE", "LLC", "IB", "MPLS",
		"CAN", "TIPC", "BLUETOOTH", "IUCV", "RXRPC", "ISDN", "PHONET", "IEEE802154", "CAIF", "ALG", "NFC", "VSOCK", "KCM", "QIPCRTR", "SMC", "XDP", "MCTP")},
	// net.h; SOCK_CLOEXEC and SOCK_NONBLOCK are flags of the system call.
	EncSocketType: {
		flags: true, mask: 0xf, zero: "0", enums: sequence("SOCK_", 1, "STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET", "DCCP", "", "", "", "PACKET"),
		names: []name{{0o2000000, "SOCK_CLOEXEC"}, {0o4000, "SOCK_NONBLOCK"}},
	},
	// prctl.h
	EncPrctlOption: {names: append(sequence("PR_", 1, "SET_PDEATHSIG", "GET_PDEATHSIG", "GET_DUMPABLE", "SET_DUMPABLE", "GET_UNALIGN", "SET_UNALIGN",
		"GET_KEEPCAPS", "SET_KEEPCAPS", "GET_FPEMU", "SET_FPEMU", "GET_FPEXC", "SET_FPEXC", "GET_TIMING", "SET_TIMING", "SET_NAME", "GET_NAME", "", "",
		"GET_ENDIAN", "SET_ENDIAN", "GET_SECCOMP", "SET_SECCOMP", "CAPBSET_READ", "CAPBSET_DROP", "GET_TSC", "SET_TSC", "GET_SECUREBITS", "SET_SECUREBITS",
		"SET_TIMERSLACK", "GET_TIMERSLACK", "TASK_PERF_EVENTS_DISABLE", "TASK_PERF_EVENTS_ENABLE", "MCE_KILL", "MCE_KILL_GET", "SET_MM",
		"SET_CHILD_SUBREAPER", "GET_CHILD_SUBREAPER", "SET_NO_NEW_PRIVS", "GET_NO_NEW_PRIVS", "GET_TID_ADDRESS", "SET_THP_DISABLE", "GET_THP_DISABLE",
		"MPX_ENABLE_MANAGEMENT", "MPX_DISABLE_MANAGEMENT", "SET_FP_MODE", "GET_FP_MODE", "CAP_AMBIENT", "", "", "SVE_SET_VL", "SVE_GET_VL",
		"GET_SPECULATION_CTRL", "SET_SPECULATION_CTRL", "PAC_RESET_KEYS", "SET_TAGGED_ADDR_CTRL", "GET_TAGGED_ADDR_CTRL", "SET_IO_FLUSHER",
		"GET_IO_FLUSHER", "SET_SYSCALL_USER_DISPATCH", "PAC_SET_ENABLED_KEYS", "PAC_GET_ENABLED_KEYS", "SCHED_CORE"),
		name{0x59616d61, "PR_SET_PTRACER"}, name{0x53564d41, "PR_SET_VMA"})},
	// bpf.h
	EncBPFCommand: {names: sequence("BPF_", 0, "MAP_CREATE", "MAP_LOOKUP_ELEM", "MAP_UPDATE_ELEM", "MAP_DELETE_ELEM", "MAP_GET_NEXT_KEY", "PROG_LOAD", "OBJ_PIN",
		"OBJ_GET", "PROG_ATTACH", "PROG_DETACH", "PROG_TEST_RUN", "PROG_GET_NEXT_ID", "MAP_GET_NEXT_ID", "PROG_GET_FD_BY_ID", "MAP_GET_FD_BY_ID",
		"OBJ_GET_INFO_BY_FD", "PROG_QUERY", "RAW_TRACEPOINT_OPEN", "BTF_LOAD", "BTF_GET_FD_BY_ID", "TASK_FD_QUERY", "MAP_LOOKUP_AND_DELETE_ELEM", "MAP_FREEZE",
		"BTF_GET_NEXT_ID", "MAP_LOOKUP_BATCH", "MAP_LOOKUP_AND_DELETE_BATCH", "MAP_UPDATE_BATCH", "MAP_DELETE_BATCH", "LINK_CREATE", "LINK_UPDATE",
		"LINK_GET_FD_BY_ID", "LINK_GET_NEXT_ID", "ENABLE_STATS", "ITER_CREATE", "LINK_DETACH", "PROG_BIND_MAP", "TOKEN_CREATE")},
	// sched.h
	EncCloneFlags: {flags: true, zero: "0", names: []name{
		{0x100, "CLONE_VM"},
		{0x200, "CLONE_FS"},
		{0x400, "CLONE_FILES"},
		{0x800, "CLONE_SIGHAND"},
		{0x1000, "CLONE_PIDFD"},
		{0x2000, "CLONE_PTRACE"},
		{0x4000, "CLONE_VFORK"},
		{0x8000, "CLONE_PARENT"},
		{0x10000, "CLONE_THREAD"},
		{0x20000, "CLONE_NEWNS"},
		{0x40000, "CLONE_SYSVSEM"},
		{0x80000, "CLONE_SETTLS"},
		{0x100000, "CLONE_PARENT_SETTID"},
		{0x200000, "CLONE_CHILD_CLEARTID"},
		{0x400000, "CLONE_DETACHED"},
		{0x800000, "CLONE_UNTRACED"},
		{0x1000000, "CLONE_CHILD_SETTID"},
		{0x2000000, "CLONE_NEWCGROUP"},
		{0x4000000, "CLONE_NEWUTS"},
		{0x8000000, "CLONE_NEWIPC"},
		{0x10000000, "CLONE_NEWUSER"},
		{0x20000000, "CLONE_NEWPID"},
		{0x40000000, "CLONE_NEWNET"},
		{0x80000000, "CLONE_IO"},
		{0x80, "CLONE_NEWTIME"},
	}},
	// stat.h
	EncInodeMode: {
		flags: true, mask: 0o170000, zero: "0", enums: []name{
			{0o140000, "S_IFSOCK"},
			{0o120000, "S_IFLNK"},
			{0o100000, "S_IFREG"},
			{0o060000, "S_IFBLK"},
			{0o040000, "S_IFDIR"},
			{0o020000, "S_IFCHR"},
			{0o010000, "S_IFIFO"},
		},
		names: []name{
			{0o4000, "S_ISUID"},
			{0o2000, "S_ISGID"},
			{0o1000, "S_ISVTX"},
			{0o700, "S_IRWXU"},
			{0o400, "S_IRUSR"},
			{0o200, "S_IWUSR"},
			{0o100, "S_IXUSR"},
			{0o070, "S_IRWXG"},
			{0o040, "S_IRGRP"},
			{0o020, "S_IWGRP"},
			{0o010, "S_IXGRP"},
			{0o007, "S_IRWXO"},
			{0o004, "S_IROTH"},
			{0o002, "S_IWOTH"},
			{0o001, "S_IXOTH"},
		},
	},
	// mman-common.h
	EncProt: {flags: true, zero: "PROT_NONE", names: []name{{1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}, {8, "PROT_SEM"}, {0x01000000, "PROT_GROWSDOWN"}, {0x02000000, "PROT_GROWSUP"}}},
	EncMmapFlags: {
		flags: true, mask: 0xf, zero: "0", enums: []name{{1, "MAP_SHARED"}, {2, "MAP_PRIVATE"}, {3, "MAP_SHARED_VALIDATE"}},
		names: []name{
			{0x10, "MAP_FIXED"},
			{0x20, "MAP_ANONYMOUS"},
			{0x40, "MAP_32BIT"},
			{0x100, "MAP_GROWSDOWN"},
			{0x800, "MAP_DENYWRITE"},
			{0x1000, "MAP_EXECUTABLE"},
			{0x2000, "MAP_LOCKED"},
			{0x4000, "MAP_NORESERVE"},
			{0x8000, "MAP_POPULATE"},
			{0x10000, "MAP_NONBLOCK"},
			{0x20000, "MAP_STACK"},
			{0x40000, "MAP_HUGETLB"},
			{0x80000, "MAP_SYNC"},
			{0x100000, "MAP_FIXED_NOREPLACE"},
		},
	},
	// mount.h
	EncMountFlags: {flags: true, zero: "0", names: []name{
		{1, "MS_RDONLY"},
		{2, "MS_NOSUID"},
		{4, "MS_NODEV"},
		{8, "MS_NOEXEC"},
		{16, "MS_SYNCHRONOUS"},
		{32, "MS_REMOUNT"},
		{64, "MS_MANDLOCK"},
		{128, "MS_DIRSYNC"},
		{256, "MS_NOSYMFOLLOW"},
		{1024, "MS_NOATIME"},
		{2048, "MS_NODIRATIME"},
		{4096, "MS_BIND"},
		{8192, "MS_MOVE"},
		{16384, "MS_REC"},
		{32768, "MS_SILENT"},
		{1 << 16, "MS_POSIXACL"},
		{1 << 17, "MS_UNBINDABLE"},
		{1 << 18, "MS_PRIVATE"},
		{1 << 19, "MS_SLAVE"},
		{1 << 20, "MS_SHARED"},
		{1 << 21, "MS_RELATIME"},
		{1 << 22, "MS_KERNMOUNT"},
		{1 << 23, "MS_I_VERSION"},
		{1 << 24, "MS_STRICTATIME"},
		{1 << 25, "MS_LAZYTIME"},
	}},
	// enum kernel_read_file_id since 5.10 (security.h); the kernel half maps older numbering to it.
	EncKernelRead: {names: []name{{0, "unknown"}, {1, "firmware"}, {2, "kernel-module"}, {3, "kexec-image"}, {4, "kexec-initramfs"}, {5, "security-policy"}, {6, "x509-certificate"}}},
	EncMemAlert: {names: []name{
		{1, "Mmaped region with W+E permissions!"},
		{2, "Protection changed to Executable!"},
		{3, "Protection changed from E to W+E!"},
		{4, "Protection changed from W to E!"},
	}},
	EncSyscall: {},
	// enum bpf_prog_type, bpf.h
	EncBPFProgType: {names: sequence("BPF_PROG_TYPE_", 0, "UNSPEC", "SOCKET_FILTER", "KPROBE", "SCHED_CLS", "SCHED_ACT", "TRACEPOINT", "XDP", "PERF_EVENT", "CGROUP_SKB",
		"CGROUP_SOCK", "LWT_IN", "LWT_OUT", "LWT_XMIT", "SOCK_OPS", "SK_SKB", "CGROUP_DEVICE", "SK_MSG", "RAW_TRACEPOINT", "CGROUP_SOCK_ADDR", "LWT_SEG6LOCAL",
		"LIRC_MODE2", "SK_REUSEPORT", "FLOW_DISSECTOR", "CGROUP_SYSCTL", "RAW_TRACEPOINT_WRITABLE", "CGROUP_SOCKOPT", "TRACING", "STRUCT_OPS", "EXT", "LSM",
		"SK_LOOKUP", "SYSCALL", "NETFILTER")},
	// signal.h
	EncSignal: {names: sequence("SIG", 1, "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
		"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS")},
	EncEnviron: {},
}
