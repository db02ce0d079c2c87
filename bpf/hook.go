package bpf

import (
	"runtime"

	"github.com/tocsin-io/tocsin/event"
)

// Kind is a way to attach to the kernel.
type Kind string

// The kinds of hooks, best first: an unselected system call pays nothing for the first ones.
const (
	Fentry     Kind = "fentry"
	Fexit      Kind = "fexit"
	LSM        Kind = "lsm"
	Tracepoint Kind = "tp_btf"
	SysExit    Kind = "sys_exit"  // behind the dispatcher on tp_btf/sys_exit
	SysEnter   Kind = "sys_enter" // behind the dispatcher on tp_btf/sys_enter
)

// A Hook is one way to see an event.
type Hook struct {
	Kind   Kind
	Target string // kernel function, LSM hook, tracepoint or system calls
	Usable bool   // on this kernel
	Reason string // why not

	progs    []attachment
	mappings []mapping
}

// An attachment is one program at one place in the kernel.
type attachment struct {
	object string // C source, without .bpf.c
	prog   string
	kind   Kind
	to     string // function, LSM hook, tracepoint, or name of a system call
}

// The C sources.
const (
	inProcess = "process"
	inCgroup  = "cgroup"
	inSyscall = "syscall"
	inFile    = "file"
	inSocket  = "socket"
	inKernel  = "kernel"
)

// always are the programs that enrichment needs, whatever is selected; the first ones keep track of containers.
var always = []attachment{
	{inCgroup, "cgroup_mkdir", Tracepoint, "cgroup_mkdir"},
	{inCgroup, "cgroup_rmdir", Tracepoint, "cgroup_rmdir"},
	{inProcess, "task_rename", Tracepoint, "task_rename"},
	{inProcess, "sched_process_fork", Tracepoint, "sched_process_fork"},
	{inProcess, "sched_process_exec", Tracepoint, "sched_process_exec"},
	{inProcess, "sched_process_exit", Tracepoint, "sched_process_exit"},
}

// alwaysEvents are the events of those programs.
var alwaysEvents = []string{"cgroup_mkdir", "cgroup_rmdir", "sched_process_fork", "sched_process_exec", "sched_process_exit"}

// hooks names, for each event, the ways to see it, best first. System calls that need no program of their own are
// added by hooksOf.
var hooks = map[string][]Hook{
	"sched_process_fork": {tracepoint(inProcess, "sched_process_fork")},
	"sched_process_exec": {tracepoint(inProcess, "sched_process_exec")},
	"sched_process_exit": {tracepoint(inProcess, "sched_process_exit")},
	"execve":             {failed(Fexit, "execve"), failed(SysExit, "execve")},
	"cgroup_mkdir":       {tracepoint(inCgroup, "cgroup_mkdir")},
	"cgroup_rmdir":       {tracepoint(inCgroup, "cgroup_rmdir")},

	"security_file_open": {fentry(inFile, "security_file_open"), lsm(inFile, "security_file_open", "file_open"),
		handler(inFile, "open_exit", "open", "creat", "openat", "openat2")},

	"security_socket_connect": {fentry(inSocket, "security_socket_connect"), lsm(inSocket, "security_socket_connect", "socket_connect"),
		handler(inSocket, "connect_exit", "connect")},
	"socket_dup": {fexit(inSocket, "dup_exit", "dup", "dup2", "dup3", "fcntl"), handler(inSocket, "dup_exit", "dup", "dup2", "dup3", "fcntl")},

	"security_kernel_read_file": {fentry(inKernel, "security_kernel_read_file"), lsm(inKernel, "security_kernel_read_file", "kernel_read_file"),
		handler(inKernel, "finit_module_exit", "finit_module")},
	"security_bpf":      {fentry(inKernel, "security_bpf"), lsm(inKernel, "security_bpf", "bpf"), recorded(SysExit, "bpf")},
	"security_sb_mount": {fentry(inKernel, "security_sb_mount"), lsm(inKernel, "security_sb_mount", "sb_mount"), recorded(SysExit, "mount")},
	"module_load":       {tracepoint(inKernel, "module_load")},
}

// atEnter are the system calls that do not come back, or come back with other registers.
var atEnter = map[string]bool{"execveat": true, "exit": true, "exit_group": true, "rt_sigreturn": true}

// hooksOf returns the ways to see the event, best first; none for an event made in user space.
func hooksOf(def *event.Def) []Hook {
	list := hooks[def.Name]
	if list == nil && event.SyscallNumber(def.Name) >= 0 {
		if atEnter[def.Name] {
			list = []Hook{recorded(Fentry, def.Name), recorded(SysEnter, def.Name)}
		} else {
			list = []Hook{recorded(Fexit, def.Name), recorded(SysExit, def.Name)}
		}
	}
	out := make([]Hook, len(list))
	copy(out, list)
	return out
}

func tracepoint(object, name string) Hook {
	return Hook{Kind: Tracepoint, Target: name, progs: []attachment{{object, name, Tracepoint, name}}}
}

func fentry(object, function string) Hook {
	return Hook{Kind: Fentry, Target: function, progs: []attachment{{object, function, Fentry, function}}}
}

func lsm(object, prog, hook string) Hook {
	return Hook{Kind: LSM, Target: hook, progs: []attachment{{object, prog, LSM, hook}}}
}

// handler is a program that runs at the exit of the named system calls.
func handler(object, prog string, calls ...string) Hook {
	return onSyscalls(SysExit, object, prog, calls)
}

// fexit is the same on the functions of the system calls.
func fexit(object, prog string, calls ...string) Hook { return onSyscalls(Fexit, object, prog, calls) }

func onSyscalls(kind Kind, object, prog string, calls []string) Hook {
	h := Hook{Kind: kind}
	for _, c := range calls {
		if event.SyscallNumber(c) < 0 {
			continue // arm64 has no open, dup2 …
		}
		if h.Target != "" {
			h.Target += " "
		}
		h.Target += c
		h.progs = append(h.progs, attachment{object, prog, kind, c})
	}
	return h
}

// recorded is a system call whose arguments are the event's.
func recorded(kind Kind, call string) Hook {
	prog := "syscall_exit"
	if kind == SysEnter || kind == Fentry {
		prog = "syscall_enter"
	}
	return Hook{Kind: kind, Target: call, progs: []attachment{{inSyscall, prog, kind, call}},
		mappings: []mapping{{call: call, enter: prog == "syscall_enter"}}}
}

// failed is recorded, for calls that failed; the program on sched_process_exec sees the others.
func failed(kind Kind, call string) Hook {
	h := recorded(kind, call)
	h.mappings[0].result = onFailure
	return h
}

// syscallFunctions returns the names that the kernel's function of a system call may have, native and 32-bit.
func syscallFunctions(call string) (native string, compat []string) {
	if runtime.GOARCH == "arm64" {
		return "__arm64_sys_" + call, []string{"__arm64_compat_sys_" + call}
	}
	return "__x64_sys_" + call, []string{"__ia32_sys_" + call, "__ia32_compat_sys_" + call}
}
