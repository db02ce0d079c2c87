package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onHost makes a simulation of one step on the host.
func onHost(rule, does, step string, needs ...Need) Simulation {
	return Simulation{Rule: rule, Does: does, Needs: needs, run: func(e *env) error { return e.step(step) }}
}

// inOwnNetwork makes a simulation of one step in a network namespace of its own, whose only interface is its loopback.
func inOwnNetwork(rule, does, step string, args ...string) Simulation {
	return Simulation{Rule: rule, Does: does, Needs: []Need{Root}, run: func(e *env) error {
		c := command(e.exe, step, args...)
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		return e.run(c)
	}}
}

var processSimulations = []Simulation{
	onHost("ptrace_injection", "Writes a word into a child of its own with ptrace: the word that is there.", "ptrace"),
	onHost("proc_mem_write", "Opens /proc/<pid>/mem of a child of its own for writing, and writes nothing.", "proc-mem"),
	onHost("process_memory_read", "Opens /proc/<pid>/mem of a child of its own for reading, and reads nothing.", "proc-mem-read"),
	onHost("process_vm_write", "Writes a byte into a child of its own with process_vm_writev: the byte that is there.", "vm-write"),
	onHost("fileless_execution", "Executes a program of 130 bytes from a memory file.", "memfd-exec"),
	onHost("anti_debugging", "Starts a child of its own that asks to be traced.", "traceme"),
	onHost("bpf_program_load", "Loads a BPF socket filter of two instructions, attaches it to nothing, and closes it.", "bpf-load", Root),
	onHost("kernel_module_from_unusual_path", "Asks the kernel to load a module from a file in memory that is none.", "module-file", Root),
	onHost("system_call_from_data", "Makes a socket by code in a page of its own memory.", "call-from-memory", AMD64),
	onHost("stack_on_heap", "Makes a socket with the stack in a page of its own heap.", "call-on-heap", AMD64),
	{Rule: "dirty_pipe", Does: "Nothing.", Untriggerable: "it takes a kernel with the hole, 5.8 to 5.16.10"},
	onHost("userfaultfd_by_user", "Asks to handle its own page faults as the user nobody, and lets go at once.", "userfaultfd", Root),
	{
		Rule: "ssh_on_other_port", Does: "Connects, from this binary under the name ssh, to 203.0.113.1, which is its own address, in a network namespace of its own.",
		Needs: []Need{Root}, run: func(e *env) error {
			name := filepath.Join(e.dir, "ssh")
			if err := os.Symlink(e.exe, name); err != nil {
				return err
			}
			c := command(name, "connect", "203.0.113.1", "8022")
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			return e.run(c)
		},
	},
	onHost("memory_made_executable", "Writes to a page of its own memory, and makes it executable.", "mprotect"),
	inOwnNetwork("port_scan", "Connects to 150 ports of 127.0.0.1, where nobody listens, in a network namespace of its own.", "scan"),
	inOwnNetwork("outbound_connection", "Connects to 203.0.113.1, which is its own address, in a network namespace of its own.", "connect", "203.0.113.1", "4444"),
	inOwnNetwork("mining_pool_connection", "Connects to 203.0.113.1 port 3333, which is its own address, in a network namespace of its own.", "connect", "203.0.113.1", "3333"),
	inOwnNetwork("mining_pool_lookup", "Asks its own loopback for a mining pool, in a network namespace that has nothing else.", "ask", "simulation.supportxmr.com", "A"),
	inOwnNetwork("dns_tunnel", "Asks its own loopback for a long name, in a network namespace that has nothing else.", "ask",
		"onuw25lmmf2gs33oonuw25lmmf2gs33oonuw25lmmf2gs33oonuw25lm.simulation.test", "TXT"),
	onHost("kernel_probe_attached", "Attaches a BPF program that does nothing to the tracepoint sched_process_exec, and detaches it.", "attach-probe", Root),
	inOwnNetwork("reverse_shell", "Puts a connection in place of standard input, in a network namespace of its own; starts no shell.", "reverse-shell"),
	{Rule: "root_without_setuid", Does: "Nothing.", Untriggerable: "it takes a hole in the kernel to become root that way"},
	onHost("kernel_module_load", "Asks the kernel to load a module from a descriptor that is not open.", "finit-module"),
}

// waiting starts a child that waits until it is stopped. It ends with this process.
func waiting() (*exec.Cmd, func(), error) {
	c := command("/proc/self/exe", "wait")
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = in.Close()
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start child: %w", err)
	}
	return c, stop, nil
}

func stepWait([]string) error {
	if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// traced starts a child that this thread traces, and which has stopped after it executed its program.
func traced() (*os.Process, func(), error) {
	runtime.LockOSThread() // ptrace belongs to the thread
	c := command("/proc/self/exe", "nothing")
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = c.Process.Kill()
		_, _ = c.Process.Wait() // it was killed
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(c.Process.Pid, &status, 0, nil); err != nil {
		stop()
		return nil, nil, fmt.Errorf("wait: %w", err)
	}
	return c.Process, stop, nil
}

func stepTraceme([]string) error {
	_, stop, err := traced()
	if err != nil {
		return err
	}
	stop()
	return nil
}

func stepPtrace([]string) error {
	child, stop, err := traced()
	if err != nil {
		return err
	}
	defer stop()
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(child.Pid, &regs); err != nil {
		return fmt.Errorf("get registers: %w", err)
	}
	word := make([]byte, 8)
	if _, err := unix.PtracePeekText(child.Pid, uintptr(regs.PC()), word); err != nil {
		return fmt.Errorf("peek: %w", err)
	}
	if _, err := unix.PtracePokeText(child.Pid, uintptr(regs.PC()), word); err != nil {
		return fmt.Errorf("poke: %w", err)
	}
	return nil
}

func stepProcMem([]string) error {
	c, stop, err := waiting()
	if err != nil {
		return err
	}
	defer stop()
	return open(fmt.Sprintf("/proc/%d/mem", c.Process.Pid), os.O_RDWR)
}

// byteToWrite lies at the same address in a child of this binary, unless the binary is position independent.
var byteToWrite = [8]byte{'t', 'o', 'c', 's', 'i', 'n'}

func stepProcMemRead([]string) error {
	c, stop, err := waiting()
	if err != nil {
		return err
	}
	defer stop()
	return open(fmt.Sprintf("/proc/%d/mem", c.Process.Pid), os.O_RDONLY)
}

func stepVMWrite([]string) error {
	c, stop, err := waiting()
	if err != nil {
		return err
	}
	defer stop()
	local := []unix.Iovec{{Base: &byteToWrite[0], Len: 1}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&byteToWrite[0])), Len: 1}}
	if _, err := unix.ProcessVMWritev(c.Process.Pid, local, remote, 0); err != nil && !errors.Is(err, unix.EFAULT) {
		return fmt.Errorf("process_vm_writev: %w", err)
	}
	return nil
}

func stepMemfdExec([]string) error {
	fd, err := unix.MemfdCreate("simulation", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, trueELF()); err != nil {
		return fmt.Errorf("write program: %w", err)
	}
	return exec.CommandContext(context.Background(), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)).Run()
}

func stepReverseShell([]string) error {
	const ip = "203.0.113.1" // TEST-NET-3, RFC 5737: nobody's address
	if err := addLoopback(ip); err != nil {
		return err
	}
	client, _, err := connected(ip + ":4444")
	if err != nil {
		return err
	}
	return unix.Dup3(client, 0, 0)
}

// nobody is the user of whom nothing is.
const nobody = 65534

func stepUserfaultfd([]string) error {
	if err := unix.Setresuid(nobody, nobody, nobody); err != nil {
		return fmt.Errorf("become nobody: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	switch errno {
	case 0:
		return unix.Close(int(fd))
	case unix.EPERM, unix.ENOSYS: // forbidden by vm.unprivileged_userfaultfd, or not in this kernel: it was asked for
		return nil
	default:
		return fmt.Errorf("userfaultfd: %w", errno)
	}
}
