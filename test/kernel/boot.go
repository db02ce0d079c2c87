package kernel

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed init.sh
var initScript string

// LSMs is the list of security modules that [Run] enables by default: Debian's, and BPF.
const LSMs = "landlock,lockdown,yama,integrity,apparmor,bpf"

// A Job is one program to run in a fresh kernel.
type Job struct {
	Program string   // static executable; a dynamic one takes its libraries along
	Args    []string // without the program's name
	Env     []string // NAME=value
	Dir     string   // working directory in the guest, created if need be
	// Files are files or folders of the host to copy: path in the guest → path on the host.
	Files map[string]string
	// Systemd boots this machine's systemd, with its journal, and runs the program as one of its services.
	Systemd bool
	// Output receives the program's standard output and error as they are written.
	Output io.Writer
	// Console, if not nil, receives what the kernel prints.
	Console io.Writer
	// Cmdline is appended to the kernel command line, where a later setting wins.
	Cmdline string
	Memory  int // MiB; 0 means 1024
	// ICount makes virtual time advance by one nanosecond per guest instruction, so that a
	// clock read in the guest counts instructions, whatever else the machine does.
	ICount  bool
	Timeout time.Duration // of the whole run; 0 means 5 minutes
}

// ErrTimeout says that the guest was stopped after the job's time-out.
var ErrTimeout = errors.New("test kernel ran into its time-out")

// Check returns an error that wraps [ErrMissing] if a tool that [Run] needs is absent.
func Check() error {
	if _, err := find(""); err != nil {
		return err
	}
	_, err := busybox()
	return err
}

// find returns the emulator of an architecture.
func find(arch string) (string, error) {
	qemu, pkg := "qemu-system-x86_64", "qemu-system-x86"
	if arch == "arm64" {
		qemu, pkg = "qemu-system-aarch64", "qemu-system-arm"
	}
	if _, err := exec.LookPath(qemu); err != nil {
		return "", fmt.Errorf("%w: %s not found: install the package %s", ErrMissing, qemu, pkg)
	}
	return qemu, nil
}

// Run boots img and returns the exit code of the job's program. An error means that the
// program did not run to its end: no QEMU, a panic, a time-out.
func Run(ctx context.Context, img Image, job Job) (code int, err error) {
	qemu, err := find(img.Arch)
	if err != nil {
		return 0, err
	}
	box := img.Busybox
	if box == "" {
		if box, err = busybox(); err != nil {
			return 0, err
		}
	}
	dir, err := os.MkdirTemp("", "vmtest-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ramfs := filepath.Join(dir, "initramfs")
	f, err := os.Create(ramfs)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(initramfs(f, box, job), f.Close()); err != nil {
		return 0, err
	}

	timeout := job.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w of %v", ErrTimeout, timeout))
	defer cancel()

	// The program's output comes through a port of its own, clear of kernel messages, and
	// arrives through a pipe that QEMU inherits.
	console := &console{tee: job.Console}
	out, in, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, qemu, arguments(img, job, ramfs)...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.ExtraFiles = []*os.File{in}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return 0, fmt.Errorf("start QEMU: %w", err)
	}
	in.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		w := job.Output
		if w == nil {
			w = io.Discard
		}
		io.Copy(w, out)
	}()
	werr := cmd.Wait()
	<-copied
	out.Close()

	if code, ok := console.exitCode(); ok {
		return code, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return 0, fmt.Errorf("%w; the console's last lines:\n%s", cause, console.tail(20))
	}
	if werr == nil {
		werr = errors.New("panic or power-off")
	}
	return 0, fmt.Errorf("the test kernel stopped before the program ended: %w; the console's last lines:\n%s", werr, console.tail(40))
}

func arguments(img Image, job Job, ramfs string) []string {
	memory := job.Memory
	if memory == 0 {
		memory = 1024
	}
	accel := []string{"-accel", "tcg"}
	if job.ICount {
		accel = []string{"-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"}
	}
	args := append(accel,
		"-smp", "1", "-m", strconv.Itoa(memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", img.Vmlinuz, "-initrd", ramfs,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "file,id=out,path=/dev/fd/3",
	)
	cmdline := job.Cmdline
	if job.Systemd {
		cmdline = "systemd.unit=vmtest.service " + cmdline
	}
	console, output := "ttyS0", "ttyS1"
	if img.Arch == "arm64" { // its machine has one serial port
		console, output = "ttyAMA0", "ttyS0"
		args = append(args, "-machine", "virt", "-cpu", "cortex-a72", "-device", "pci-serial,chardev=out")
	} else {
		args = append(args, "-cpu", "max", "-serial", "chardev:out")
	}
	// What the kernel does not know becomes the init's environment.
	return append(args, "-append", strings.TrimSpace("console="+console+" vmtest_output="+output+" quiet panic=-1 audit=0 lsm="+LSMs+" "+cmdline))
}

// console keeps the end of what the kernel and the init print.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
	tee io.Writer
}

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tee != nil {
		c.tee.Write(b)
	}
	if c.buf.Len() > 1<<20 {
		c.buf.Next(c.buf.Len() / 2)
	}
	return c.buf.Write(b)
}

var exitLine = regexp.MustCompile(`(?m)^vmtest: exit (\d+)\r?$`)

func (c *console) exitCode() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := exitLine.FindSubmatch(c.buf.Bytes())
	if m == nil {
		return 0, false
	}
	code, err := strconv.Atoi(string(m[1]))
	return code, err == nil
}

func (c *console) tail(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(c.buf.String()), "\r", ""), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
