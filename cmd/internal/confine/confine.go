// Package confine takes from a process the privileges that it no longer needs once its BPF programs are attached.
package confine

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// keep are the capabilities that a running sensor uses: to read the counters and attach more after a reload of rules, to
// read /proc of all users, and to find control groups by their ids.
var keep = []int{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}

// denied are the system calls that nobody needs who only watches: to run or change other programs, to change the file
// systems, the kernel, the clock or the namespaces. Names that an architecture does not have are left out.
var denied = []string{
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
	"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr", "swapon", "swapoff",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "acct", "quotactl",
	"unshare", "setns", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "modify_ldt", "personality",
	"add_key", "request_key", "keyctl", "userfaultfd", "mknod", "mknodat", "io_uring_setup", "vhangup",
}

// Options say what else must stay possible.
type Options struct {
	// WriteAnywhere keeps CAP_DAC_OVERRIDE: the files to write belong to another user.
	WriteAnywhere bool
}

// Apply confines all threads of this process, for good: no new privileges, only the capabilities that are needed and
// that it has, and a seccomp filter that answers EPERM to system calls that it has no use for.
func Apply(o Options) error {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return fmt.Errorf("set no_new_privs: %w", errno)
	}
	return errors.Join(dropCapabilities(o), filter())
}

// dropCapabilities leaves what is in keep. Where CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON, it stays.
func dropCapabilities(o Options) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	effective := uint64(have[0].Effective) | uint64(have[1].Effective)<<32
	var want uint64
	for _, c := range keep {
		want |= 1 << c
	}
	if effective&(1<<unix.CAP_BPF) == 0 || effective&(1<<unix.CAP_PERFMON) == 0 {
		want |= 1 << unix.CAP_SYS_ADMIN
	}
	if o.WriteAnywhere {
		want |= 1 << unix.CAP_DAC_OVERRIDE
	}
	want &= effective
	data := [2]unix.CapUserData{
		{Effective: uint32(want), Permitted: uint32(want)}, {Effective: uint32(want >> 32), Permitted: uint32(want >> 32)},
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}

func filter() error {
	if !seccomp.Supported() {
		return errors.New("the kernel has no seccomp filters")
	}
	f := seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionErrno, Names: known(denied)}},
	}}
	if err := seccomp.LoadFilter(f); err != nil {
		return fmt.Errorf("install seccomp filter: %w", err)
	}
	return nil
}
