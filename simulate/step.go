package simulate

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stepVariable names the step that a process started by a simulation runs.
const stepVariable = "TOCSIN_SIMULATE_STEP"

// A step is what one process of a simulation does.
type step struct {
	Name string   `json:"name"`
	Args []string `json:"args,omitempty"`
	Root *root    `json:"root,omitempty"` // the private root to make first
}

// A root is a private root file system: a tmpfs in a mount namespace of its own with these files in it, /proc, three devices
// and this binary as /tocsin. Paths in it are those of a real root for the kernel, and for every rule.
type root struct {
	Dir   string            `json:"dir"` // where to mount it
	Exe   string            `json:"exe"`
	Files map[string]string `json:"files,omitempty"` // path to content
	Links []string          `json:"links,omitempty"` // further paths of this binary
	// Programs are paths of programs that do nothing.
	Programs []string `json:"programs,omitempty"`
	// Terminals: it has pseudo-terminals of its own.
	Terminals bool `json:"terminals,omitempty"`
}

// Main runs the step of a simulation and exits when this process was started for one; else it returns at once.
func Main() {
	text, ok := os.LookupEnv(stepVariable)
	if !ok {
		return
	}
	if err := runStep(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runStep(text string) error {
	if err := os.Unsetenv(stepVariable); err != nil {
		return err
	}
	var s step
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("read step: %w", err)
	}
	f := steps[s.Name]
	if f == nil {
		return fmt.Errorf("unknown step %q", s.Name)
	}
	// A process whose simulation is gone must not stay.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("bind to parent: %w", err)
	}
	if s.Root != nil {
		if err := s.Root.enter(); err != nil {
			return fmt.Errorf("enter private root: %w", err)
		}
	}
	if err := f(s.Args); err != nil {
		return fmt.Errorf("step %s: %w", s.Name, err)
	}
	return nil
}

// steps is set by init: steps start others.
var steps map[string]func(args []string) error

func init() {
	steps = map[string]func(args []string) error{
		"nothing":             func([]string) error { return nil },
		"connect-unix":        stepConnectUnix,
		"write-file":          stepWriteFile,
		"open-for-writing":    func(a []string) error { return open(a[0], os.O_WRONLY) },
		"open-for-reading":    func(a []string) error { return open(a[0], os.O_RDONLY) },
		"mount-absent-device": stepMountAbsentDevice,
		"setns":               stepSetns,
		"connect":             stepConnect,
		"ask":                 stepAsk,
		"request":             stepRequest,
		"mknod":               stepMknod,
		"packet-socket":       stepPacketSocket,
		"write-program":       stepWriteProgram,
		"set-user-id":         stepSetUserID,
		"traceme":             stepTraceme,
		"bpf-load":            stepBPFLoad,
		"self-removal":        stepSelfRemoval,
		"hide-process":        stepHideProcess,
		"cover":               stepCover,
		"symlink":             func(a []string) error { return os.Symlink(a[0], a[1]) },
		"link":                func(a []string) error { return os.Link(a[0], a[1]) },
		"map-library":         stepMapLibrary,
		"open-by-handle":      stepOpenByHandle,
		"userfaultfd":         stepUserfaultfd,
		"call-from-memory":    stepCallFromMemory,
		"call-on-heap":        stepCallOnHeap,
		"write-and-run":       stepWriteAndRun,
		"attach-probe":        stepAttachProbe,
		"module-file":         stepModuleFile,
		"load-module":         stepLoadModule,
		"mprotect":            stepMprotect,
		"scan":                stepScan,
		"rename-many":         stepRenameMany,
		"remove-many":         stepRemoveMany,
		"shell-on-terminal":   stepShellOnTerminal,
		"ptrace":              stepPtrace,
		"proc-mem":            stepProcMem,
		"vm-write":            stepVMWrite,
		"memfd-exec":          stepMemfdExec,
		"reverse-shell":       stepReverseShell,
		"finit-module":        stepFinitModule,
		"wait":                stepWait,
		"proc-mem-read":       stepProcMemRead,
		"child":               func(a []string) error { return command("/proc/self/exe", a[0], a[1:]...).Run() },
		"as":                  func(a []string) error { return command(a[0], a[1], a[2:]...).Run() },
		"exec":                func(a []string) error { return (&exec.Cmd{Path: a[0], Args: a[1:]}).Run() },
		"exec-with":           func(a []string) error { return (&exec.Cmd{Path: a[1], Args: a[2:], Env: a[:1]}).Run() },
	}
}

func (s step) environ() []string {
	text, err := json.Marshal(s)
	if err != nil { // plain strings always marshal
		panic(err)
	}
	return []string{stepVariable + "=" + string(text), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
}

// command prepares a process that runs a step with the program at exe, this binary or a link to it.
func command(exe, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), exe) // it ends with its parent
	c.Args, c.Dir = []string{filepath.Base(exe)}, "/"
	c.Env = step{Name: name, Args: args}.environ()
	return c
}

// run waits for the process, kills it when the simulation is cancelled, and returns its error with what it said.
func (e *env) run(c *exec.Cmd) error {
	var out bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &out
	}
	if c.Stderr == nil {
		c.Stderr = &out
	}
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			return said(err, out.String())
		}
		return nil
	case <-e.ctx.Done():
		_ = c.Process.Kill() // it may just have ended
		<-done               //nolint:errcheck // it was killed
		return e.ctx.Err()
	}
}

func said(err error, out string) error {
	if out = strings.TrimSpace(out); out != "" {
		return fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// step runs a step as a process of its own.
func (e *env) step(name string, args ...string) error { return e.run(command(e.exe, name, args...)) }

// inRoot runs a step in a private root.
func (e *env) inRoot(r root, name string, args ...string) error {
	r.Dir, r.Exe = filepath.Join(e.dir, "root"), e.exe
	if err := os.Mkdir(r.Dir, 0o755); err != nil {
		return err
	}
	c := command(e.exe, name)
	c.Env = step{Name: name, Args: args, Root: &r}.environ()
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return e.run(c)
}

// enter makes the root and moves this process into it. The process must have a mount namespace of its own.
func (r *root) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", r.Dir, "tmpfs", unix.MS_NOSUID, "mode=755,size=16m"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	in := func(p string) string { return filepath.Join(r.Dir, p) }
	for _, d := range []string{"proc", "dev", "tmp", "etc", "old"} {
		if err := os.MkdirAll(in(d), 0o755); err != nil {
			return err
		}
	}
	if err := populate(r.Dir, r.Files, r.Programs); err != nil {
		return err
	}
	for _, p := range append([]string{"/tocsin"}, r.Links...) {
		if err := os.MkdirAll(filepath.Dir(in(p)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(in(p), nil, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(r.Exe, in(p), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", p, err)
		}
	}
	if err := unix.Mount("proc", in("proc"), "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	for _, device := range []string{"null", "zero", "urandom"} { // not the whole of /dev: what is written there would stay
		at := in("dev/" + device)
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+device, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", device, err)
		}
	}
	if r.Terminals {
		if err := os.Mkdir(in("dev/pts"), 0o755); err != nil {
			return err
		}
		if err := unix.Mount("devpts", in("dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666"); err != nil {
			return fmt.Errorf("mount devpts: %w", err)
		}
		if err := os.Symlink("pts/ptmx", in("dev/ptmx")); err != nil {
			return err
		}
	}
	if err := os.Chdir(r.Dir); err != nil {
		return err
	}
	switch err := unix.PivotRoot(".", "old"); {
	case err == nil:
		if err := os.Chdir("/"); err != nil {
			return err
		}
		return unix.Unmount("/old", unix.MNT_DETACH)
	case errors.Is(err, unix.EINVAL): // the initial ramfs cannot be pivoted away: cover it
		if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move root: %w", err)
		}
		if err := unix.Chroot("."); err != nil {
			return fmt.Errorf("chroot: %w", err)
		}
		return os.Chdir("/")
	default:
		return fmt.Errorf("pivot root: %w", err)
	}
}

// populate makes files and programs below dir. A path that ends in "/" is a directory.
func populate(dir string, files map[string]string, programs []string) error {
	for p, content := range files {
		at := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		var err error
		if strings.HasSuffix(p, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range programs {
		at := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := writeProgram(at); err != nil {
			return err
		}
	}
	return nil
}

// static returns nil when this binary needs no shared library, so that it runs in an empty root.
func static() error {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("read own binary: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("needs a statically linked binary: build with CGO_ENABLED=0")
		}
	}
	return nil
}
