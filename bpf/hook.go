package bpf

import (
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// Kind is a way to attach to the kernel.
type Kind string

// The kinds of hooks, best first: an unselected system call pays nothing for the first ones.
const (
	Fentry     Kind = "fentry"
	Fexit      Kind = "fexit"
	LSM        Kind = "lsm"
	Kprobe     Kind = "kprobe"
	Kretprobe  Kind = "kretprobe" // only together with a kprobe
	Tracepoint Kind = "tp_btf"
	SysExit    Kind = "sys_exit"   // behind the dispatcher on tp_btf/sys_exit
	SysEnter   Kind = "sys_enter"  // behind the dispatcher on tp_btf/sys_enter
	Scan       Kind = "scan"       // no hook: the kernel's memory is looked through from time to time
	CgroupSKB  Kind = "cgroup_skb" // packets of all sockets, at the root of control groups version 2
)

// A Hook is one way to see an event.
type Hook struct {
	Kind   Kind
	Target string // kernel function, LSM hook, tracepoint or system calls
	Usable bool   // on this kernel
	Reason string // why not

	progs    []attachment
	mappings []mapping
	fallback bool // a program of another event stands in
}

// An attachment is one program at one place in the kernel.
type attachment struct {
	object string // C source, without .bpf.c
	prog   string
	kind   Kind
	to     string // function, LSM hook, tracepoint, or name of a system call
	call   bool   // it is a system call
}

// The C sources.
const (
	inProcess = "process"
	inCgroup  = "cgroup"
	inSyscall = "syscall"
	inFile    = "file"
	inSocket  = "socket"
	inKernel  = "kernel"
	inCreds   = "creds"
	inMemory  = "memory"
	inContent = "content"
	inSource  = "source"
	inUring   = "uring"
	inPacket  = "packet"
)

// always are the programs that enrichment needs, whatever is selected; the first ones keep track of containers.
var always = []attachment{
	{inCgroup, "cgroup_mkdir", Tracepoint, "cgroup_mkdir", false},
	{inCgroup, "cgroup_rmdir", Tracepoint, "cgroup_rmdir", false},
	{inProcess, "task_rename", Tracepoint, "task_rename", false},
	{inProcess, "sched_process_fork", Tracepoint, "sched_process_fork", false},
	{inProcess, "sched_process_exec", Tracepoint, "sched_process_exec", false},
	{inProcess, "sched_process_exit", Tracepoint, "sched_process_exit", false},
}

// alwaysEvents are the events of those programs.
var alwaysEvents = []string{"cgroup_mkdir", "cgroup_rmdir", "sched_process_fork", "sched_process_exec", "sched_process_exit"}

// hooks names, for each event, the ways to see it, best first. System calls that need no program of their own are
// added by hooksOf.
var hooks = map[string][]Hook{
	"sched_process_fork":     {tracepoint(inProcess, "sched_process_fork")},
	"sched_process_exec":     {tracepoint(inProcess, "sched_process_exec")},
	"sched_process_exit":     {tracepoint(inProcess, "sched_process_exit")},
	"execve":                 {execve(0), execve(1)},
	"execveat":               {execveat(0, Fentry, Fexit), execveat(1, SysEnter, SysExit)},
	"security_bprm_check":    append(security(inProcess, "security_bprm_check", "bprm_check_security"), atExec),
	"process_execute_failed": recorded(failedExec("execve", "", "pathname", "argv", "envp"), failedExec("execveat", "dirfd", "pathname", "argv", "envp", "flags")),

	"commit_creds": append(fentry(inCreds, "commit_creds"), around(changesCreds...)),
	"cap_capable": append(fentry(inCreds, "cap_capable"),
		Hook{Kind: Tracepoint, Target: "cap_capable", progs: []attachment{{inCreds, "cap_capable_tp", Tracepoint, "cap_capable", false}}}),
	"switch_task_ns": append(fentry(inCreds, "switch_task_namespaces"), around("setns", "unshare")),
	"cgroup_mkdir":   {tracepoint(inCgroup, "cgroup_mkdir")},
	"cgroup_rmdir":   {tracepoint(inCgroup, "cgroup_rmdir")},

	"security_file_open": append(security(inFile, "security_file_open", "file_open"),
		orWithout(handler(inFile, "open_exit", "open", "creat", "openat", "openat2", "open_by_handle_at"), ring("io_uring_submit_req", "io_uring_complete"))...),
	"security_inode_unlink": append(security(inFile, "security_path_unlink", "path_unlink"), recorded(
		succeeded("unlink", args{"pathname": {fromPath, 0}}),
		mapping{call: "unlinkat", result: onSuccess, args: args{"pathname": {fromAtPath, 0}}, unlessReg: 2, unless: unix.AT_REMOVEDIR})[1]),
	"security_inode_rename": append(security(inFile, "security_path_rename", "path_rename"), recorded(
		succeeded("rename", args{"old_path": {fromPath, 0}, "new_path": {fromPath, 1}}),
		succeeded("renameat", args{"old_path": {fromAtPath, 0}, "new_path": {fromAtPath, 2}}),
		succeeded("renameat2", args{"old_path": {fromAtPath, 0}, "new_path": {fromAtPath, 2}}))[1]),
	"security_inode_mknod": append(security(inFile, "security_path_mknod", "path_mknod"), recorded(
		succeeded("mknod", args{"file_name": {fromPath, 0}, "mode": {fromU16, 1}, "dev": {fromU32, 2}}),
		succeeded("mknodat", args{"file_name": {fromAtPath, 0}, "mode": {fromU16, 2}, "dev": {fromU32, 3}}))[1]),
	"security_inode_symlink": append(security(inFile, "security_path_symlink", "path_symlink"), recorded(
		succeeded("symlink", args{"target": {fromString, 0}, "linkpath": {fromPath, 1}}),
		succeeded("symlinkat", args{"target": {fromString, 0}, "linkpath": {fromAtPath, 1}}))[1]),
	"fchmodat": recorded(
		mapping{call: "chmod", args: args{"dirfd": {fromCwd, 0}, "pathname": {fromString, 0}, "mode": {fromU32, 1}, "flags": {fromZero, 0}}},
		mapping{call: "fchmod", args: args{"dirfd": {fromInt, 0}, "pathname": {fromFDPath, 0}, "mode": {fromU32, 1}, "flags": {fromZero, 0}}},
		mapping{call: "fchmodat", args: args{"dirfd": {fromInt, 0}, "pathname": {fromString, 1}, "mode": {fromU32, 2}, "flags": {fromZero, 0}}},
		mapping{call: "fchmodat2"}),
	"file_modification": modifications,
	"dirty_pipe_splice": {
		{Kind: Fexit, Target: "do_splice", progs: []attachment{{inContent, "do_splice", Fexit, "do_splice", false}}},
		handler(inContent, "splice_exit", "splice"),
	},
	"magic_write": {
		{Kind: Fexit, Target: "vfs_write, writev", progs: []attachment{{inFile, "vfs_write", Fexit, "vfs_write", false}, {inFile, "write_exit", Fexit, "writev", true}}},
		handler(inFile, "write_exit", "write", "pwrite64", "writev"),
	},
	"security_sb_mount":  append(security(inKernel, "security_sb_mount", "sb_mount"), recorded(mapping{call: "mount"})[1]),
	"security_sb_umount": append(security(inKernel, "security_sb_umount", "sb_umount"), recorded(succeeded("umount2", args{"mountpoint": {fromPath, 0}, "flags": {fromInt, 1}}))[1]),

	"security_mmap_file":     append(slices.Clone(mmapFile), handler(inMemory, "mmap_exit", "mmap", "mmap2")),
	"shared_object_loaded":   append(slices.Clone(mmapFile), handler(inMemory, "mmap_exit", "mmap", "mmap2")),
	"security_file_mprotect": append(security(inMemory, "security_file_mprotect", "file_mprotect"), onEntry(inMemory, "mprotect_enter", "mprotect", "pkey_mprotect")),
	"mem_prot_alert": {
		both(fentry(inMemory, "security_file_mprotect")[0], onSyscalls(Fexit, inMemory, "mmap_alert_exit", "mmap", "mmap2")),
		both(kprobe(inMemory, "security_file_mprotect"), handler(inMemory, "mmap_exit", "mmap", "mmap2")),
		both(onEntry(inMemory, "mprotect_enter", "mprotect", "pkey_mprotect"), handler(inMemory, "mmap_exit", "mmap", "mmap2")),
	},

	"security_socket_create": append(security(inSocket, "security_socket_create", "socket_create"), recorded(mapping{call: "socket", args: args{"family": {fromInt, 0}, "type": {fromInt, 1}, "protocol": {fromInt, 2}, "kern": {fromZero, 0}}})[1]),
	"security_socket_connect": append(connectHooks, orWithout(
		both(socketHandler("connect_exit", "connect"), handler(inSocket, "fastopen_exit", "sendto", "sendmsg")),
		ring("io_uring_submit_req"))...),
	"security_socket_bind":   append(security(inSocket, "security_socket_bind", "socket_bind"), socketHandler("bind_exit", "bind")),
	"security_socket_listen": append(security(inSocket, "security_socket_listen", "socket_listen"), socketHandler("listen_exit", "listen")),
	"security_socket_accept": append(security(inSocket, "security_socket_accept", "socket_accept"), socketHandler("accept_exit", "accept", "accept4")),
	"socket_dup": {
		onSyscalls(Fexit, inSocket, "dup_exit", "dup", "dup2", "dup3", "fcntl"),
		handler(inSocket, "dup_exit", "dup", "dup2", "dup3", "fcntl"),
	},

	"net_packet_dns_request":  {packets("egress")},
	"net_packet_http_request": {packets("egress")},
	"net_packet_dns_response": {both(packets("ingress"), packets("egress"))}, // whose it is, is known from the query

	"security_kernel_read_file": append(security(inKernel, "security_kernel_read_file", "kernel_read_file"), handler(inKernel, "finit_module_exit", "finit_module")),
	"suspicious_syscall_source": callSources,
	"stack_pivot":               callSources,
	"module_load":               {tracepoint(inKernel, "module_load")},
	"do_init_module": append(fentry(inKernel, "do_init_module"),
		Hook{Kind: Tracepoint, Target: "module_load", progs: []attachment{{inKernel, "do_init_module_tp", Tracepoint, "module_load", false}}}),
	"security_bpf": append(security(inKernel, "security_bpf", "bpf"), recorded(mapping{call: "bpf"})[1]),
	"bpf_attach":   {onSyscalls(Fexit, inKernel, "bpf_attach_exit", "bpf", "ioctl"), handler(inKernel, "bpf_attach_exit", "bpf", "ioctl")},
	"kprobe_attach": {
		{Kind: Fexit, Target: "register_kprobe", progs: []attachment{{inKernel, "register_kprobe", Fexit, "register_kprobe", false}}},
		{Kind: Kprobe, Target: "register_kprobe", progs: []attachment{
			{inKernel, "register_kprobe_entry", Kprobe, "register_kprobe", false}, {inKernel, "register_kprobe_return", Kretprobe, "register_kprobe", false},
		}},
	},
	"call_usermodehelper": append(fentry(inKernel, "call_usermodehelper_exec"), atExec),
	"debugfs_create_file": fentry(inKernel, "__debugfs_create_file"),

	"hooked_syscall":       scanned("hooked_syscall"),
	"hooked_proc_fops":     scanned("hooked_proc_fops"),
	"hooked_seq_ops":       scanned("hooked_seq_ops"),
	"hidden_kernel_module": scanned("hidden_kernel_module"),
	"ftrace_hook":          scanned("ftrace_hook"),
}

var mmapFile = []Hook{
	fentry(inMemory, "security_mmap_file")[0],
	{Kind: LSM, Target: "mmap_file", progs: []attachment{{inMemory, "mmap_file", LSM, "mmap_file", false}}},
	kprobe(inMemory, "security_mmap_file"),
}

// modifications are the functions that set a file's times when it is written to.
var modifications = []Hook{
	{Kind: Fexit, Target: "file_update_time file_modified kiocb_modified", progs: []attachment{
		{inContent, "file_modification_enter", Fentry, "file_update_time", false},
		{inContent, "file_modification_exit", Fexit, "file_update_time", false},
		{inContent, "file_modification_enter", Fentry, "file_modified", false},
		{inContent, "file_modification_exit", Fexit, "file_modified", false},
		{inContent, "kiocb_modification_enter", Fentry, "kiocb_modified", false},
		{inContent, "file_modification_exit", Fexit, "kiocb_modified", false},
	}},
	{Kind: Kprobe, Target: "file_update_time file_modified kiocb_modified", progs: []attachment{
		{inContent, "file_modification_enter_kprobe", Kprobe, "file_update_time", false},
		{inContent, "file_modification_exit_kprobe", Kretprobe, "file_update_time", false},
		{inContent, "file_modification_enter_kprobe", Kprobe, "file_modified", false},
		{inContent, "file_modification_exit_kprobe", Kretprobe, "file_modified", false},
		{inContent, "kiocb_modification_enter_kprobe", Kprobe, "kiocb_modified", false},
		{inContent, "file_modification_exit_kprobe", Kretprobe, "kiocb_modified", false},
	}},
	handler(inContent, "modification_exit", "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "splice", "copy_file_range", "ftruncate", "fallocate"),
}

// optional are functions that not every kernel has, beside others that do the same.
var optional = map[string]bool{"kiocb_modified": true} // since 6.0

// checkedCalls are the system calls that are checked for where they come from, unless a selection names others: those that an
// exploit or injected code makes sooner or later, and that programs do not make all the time.
var checkedCalls = []string{
	"execve", "execveat", "mprotect", "pkey_mprotect", "mmap", "mmap2", "socket", "connect", "bind", "ptrace", "process_vm_writev", "memfd_create",
	"setuid", "setresuid", "setgid", "setns", "unshare", "init_module", "finit_module", "bpf", "kill",
}

// checkedFunctions are what these system calls run into: a program there costs others nothing.
var checkedFunctions = []string{
	"security_bprm_creds_for_exec", "security_file_mprotect", "security_mmap_file", "security_socket_create", "security_socket_connect",
	"security_socket_bind", "security_ptrace_access_check", "security_task_fix_setuid", "security_kernel_read_file", "security_bpf",
}

var callSources = func() []Hook {
	fentry, kprobe := Hook{Kind: Fentry, Target: strings.Join(checkedFunctions, " ")}, Hook{Kind: Kprobe, Target: strings.Join(checkedFunctions, " ")}
	for _, fn := range checkedFunctions {
		fentry.progs = append(fentry.progs, attachment{inSource, "source_function", Fentry, fn, false})
		kprobe.progs = append(kprobe.progs, attachment{inSource, "source_function_kprobe", Kprobe, fn, false})
	}
	return []Hook{fentry, kprobe, onEntry(inSource, "source_enter", checkedCalls...)}
}()

// on returns the hook for an event about system calls that a selection names: on their entry, unless it names none.
func (h *Hook) on(calls []string) *Hook {
	if len(calls) == 0 || h.progs[0].object != inSource {
		return h
	}
	other := onEntry(inSource, "source_enter", calls...)
	other.Usable = true
	return &other
}

// firstStage are the programs that look at many system calls, before the handler of each (stages.h).
var firstStage = map[string]bool{"source_enter": true, "modification_exit": true}

// A connection has three places: the call, the peer of an AF_UNIX socket, and TCP Fast Open, which has no LSM hook.
var connectHooks = func() []Hook {
	call := security(inSocket, "security_socket_connect", "socket_connect")
	peer := security(inSocket, "security_unix_stream_connect", "unix_stream_connect")
	open := fentry(inSocket, "__inet_stream_connect")
	return []Hook{both(both(call[0], peer[0]), open[0]), both(both(call[1], peer[1]), open[0]), both(both(call[2], peer[2]), open[1])}
}()

// atExec stands in with the program on sched_process_exec, which is always attached.
var atExec = Hook{Kind: Tracepoint, Target: "sched_process_exec", fallback: true}

// changesCreds are the system calls that may change credentials.
var changesCreds = []string{
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset", "prctl",
	"keyctl", "setns", "unshare", "execve", "execveat",
}

type args = map[string]source

func succeeded(call string, a args) mapping { return mapping{call: call, result: onSuccess, args: a} }

// failedExec maps the registers of a failed execution, in order; "" is none.
func failedExec(call string, names ...string) mapping {
	m := mapping{call: call, result: onFailure, args: args{}}
	reg := uint8(0)
	for _, n := range names {
		if n != "" {
			m.args[n] = source{reg: reg}
			reg++
		}
	}
	return m
}

// execDone sees the executions that succeed.
var execDone = Hook{Target: "sched_process_exec", progs: []attachment{{inProcess, "execve_done", Tracepoint, "sched_process_exec", false}}}

// execve is seen at its exit when it failed.
func execve(which int) Hook {
	return both(recorded(mapping{call: "execve", result: onFailure})[which], execDone)
}

// execveat is the same; what is noted at its entry tells it from execve.
func execveat(which int, enter, exit Kind) Hook {
	return both(both(recorded(mapping{call: "execveat", result: onFailure})[which], execDone),
		both(onSyscalls(enter, inProcess, "execveat_enter", "execveat"), onSyscalls(exit, inProcess, "execveat_exit", "execveat")))
}

// atEnter are the system calls that do not come back, or come back with other registers.
var atEnter = map[string]bool{"exit": true, "exit_group": true, "rt_sigreturn": true}

// Hooks returns the ways to see the named event, best first, whether or not this kernel has them.
func Hooks(name string) []Hook {
	def := event.ByName(name)
	if def == nil || len(def.Derived) > 0 {
		return nil
	}
	return hooksOf(def)
}

// hooksOf returns the ways to see the event, best first; none for an event made in user space.
func hooksOf(def *event.Def) []Hook {
	list := hooks[def.Name]
	if list == nil && event.SyscallNumber(def.Name) >= 0 {
		list = recorded(mapping{call: def.Name, enter: atEnter[def.Name]})
	}
	return slices.Clone(list)
}

func tracepoint(object, name string) Hook {
	return Hook{Kind: Tracepoint, Target: name, progs: []attachment{{object, name, Tracepoint, name, false}}}
}

// packets are those that sockets send or get.
func packets(direction string) Hook {
	return Hook{Kind: CgroupSKB, Target: direction, progs: []attachment{{inPacket, "packet_" + direction, CgroupSKB, direction, false}}}
}

// kprobeSuffix ends the name of the kprobe's variant of a program (HOOK in sensor.h).
const kprobeSuffix = "_kprobe"

// fentry is a kernel function: a program at its entry, by a trampoline or, where the kernel has none, by a kprobe.
func fentry(object, function string) []Hook {
	return []Hook{{Kind: Fentry, Target: function, progs: []attachment{{object, function, Fentry, function, false}}}, kprobe(object, function)}
}

func kprobe(object, function string) Hook {
	return Hook{Kind: Kprobe, Target: function, progs: []attachment{{object, function + kprobeSuffix, Kprobe, function, false}}}
}

// scanned is an event that a look through the kernel's memory finds.
func scanned(event string) []Hook {
	return []Hook{{Kind: Scan, Target: "kernel memory", progs: []attachment{{inKernel, "peek", Scan, event, false}}}}
}

// security is a function that calls the LSM hooks, or the LSM hook itself: the arguments are the same.
func security(object, function, hook string) []Hook {
	return slices.Insert(fentry(object, function), 1, Hook{Kind: LSM, Target: hook, progs: []attachment{{object, function, LSM, hook, false}}})
}

// handler is a program that runs at the exit of the named system calls.
func handler(object, prog string, calls ...string) Hook {
	return onSyscalls(SysExit, object, prog, calls...)
}

// socketHandler is one on a call that 32-bit programs also make through socketcall.
func socketHandler(prog string, calls ...string) Hook {
	return both(handler(inSocket, prog, calls...), handler(inSocket, "socketcall_exit", "socketcall"))
}

// onEntry is a program that runs at their entry.
func onEntry(object, prog string, calls ...string) Hook {
	return onSyscalls(SysEnter, object, prog, calls...)
}

func onSyscalls(kind Kind, object, prog string, calls ...string) Hook {
	h := Hook{Kind: kind}
	for _, c := range calls {
		if !hasSyscall(c) {
			continue // arm64 has no open, dup2 …
		}
		if h.Target != "" {
			h.Target += " "
		}
		h.Target += c
		h.progs = append(h.progs, attachment{object, prog, kind, c, true})
	}
	return h
}

// ring are the tracepoints of io_uring, whose requests are no system calls. Not every kernel has them.
func ring(tracepoints ...string) Hook {
	h := Hook{Kind: Tracepoint, Target: strings.Join(tracepoints, " ")}
	for _, tp := range tracepoints {
		h.progs = append(h.progs, attachment{inUring, tp, Tracepoint, tp, false})
	}
	return h
}

// orWithout is both hooks, or else the first one alone.
func orWithout(h, more Hook) []Hook { return []Hook{both(h, more), h} }

func hasSyscall(name string) bool {
	_, compat := compatNumbers[name]
	return compat || event.SyscallNumber(name) >= 0
}

// around notes what a task is before the named system calls, and compares afterwards.
func around(calls ...string) Hook {
	return both(handler(inCreds, "identity_exit", calls...), onEntry(inCreds, "identity_enter", calls...))
}

// both needs two hooks at once. It is of the first one's kind.
func both(a, b Hook) Hook {
	if a.Target != b.Target {
		a.Target += " " + b.Target
	}
	a.progs = append(slices.Clone(a.progs), b.progs...)
	return a
}

// recorded is a system call whose arguments are the event's: on the functions of the system calls, or behind the dispatcher.
func recorded(mappings ...mapping) []Hook {
	kinds := []Kind{Fexit, SysExit}
	prog := "syscall_exit"
	if mappings[0].enter {
		kinds, prog = []Kind{Fentry, SysEnter}, "syscall_enter"
	}
	var out []Hook
	for _, kind := range kinds {
		var calls []string
		for _, m := range mappings {
			calls = append(calls, m.call)
		}
		h := onSyscalls(kind, inSyscall, prog, calls...)
		h.mappings = mappings
		out = append(out, h)
	}
	return out
}

// syscallFunctions returns the names that the kernel's function of a system call may have, native and 32-bit.
func syscallFunctions(call string) (native string, compat []string) {
	if runtime.GOARCH == "arm64" {
		return "__arm64_sys_" + call, []string{"__arm64_compat_sys_" + call}
	}
	return "__x64_sys_" + call, []string{"__ia32_sys_" + call, "__ia32_compat_sys_" + call}
}
