package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Process is a program of cmd/ that runs.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	name   string
	stdout Output
	stderr Output
	done   chan struct{}
	werr   error
}

// Output collects what a program prints. The zero value is ready.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start starts a program. If the test fails, its log is printed; when the test ends, the
// program is killed.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	return StartWith(t, nil, program, args...)
}

// StartWith is [Start], also of a program given by its path, with a function that may change the command before it runs.
func StartWith(t testing.TB, edit func(*exec.Cmd), program string, args ...string) *Process {
	t.Helper()
	path := program
	if !filepath.IsAbs(path) {
		path = Binary(t, program)
	}
	p := &Process{t: t, name: program, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// Should the test binary die, nothing of it stays behind.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	if edit != nil {
		edit(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	go func() {
		p.werr = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %s\n%s\n%s", program, strings.Join(args, " "), indent(tail(p.stdout.String(), 60)), indent(tail(p.stderr.String(), 120)))
		}
	})
	return p
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout returns what the program has printed so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the program has logged so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Exited reports whether the program has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Kill ends the program as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the program to end and returns its exit code; the test fails if it takes much longer
// than limit.
func (p *Process) Stop(limit time.Duration) int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(limit)
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	p.cmd.Process.Signal(s)
}

// Wait waits for the program's end and returns its exit code; the test fails if that takes
// much longer than limit.
func (p *Process) Wait(limit time.Duration) int {
	p.t.Helper()
	limit *= patience * Slow()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		p.Signal(syscall.SIGQUIT) // its goroutines belong into the log
		time.Sleep(time.Second)
		p.t.Fatalf("%s did not end within %v", p.name, limit)
		return -1
	}
}

// CPU returns the processor time that the program has used so far.
func (p *Process) CPU() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	}
	// Fields 14 and 15, in ticks of 10 ms (proc_pid_stat(5)); the name in parentheses may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Memory returns the program's resident memory and the highest it was, in bytes.
func (p *Process) Memory() (now, peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			now = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	return now, peak
}

// Command runs a program to its end and returns what it printed and its exit code.
func Command(t testing.TB, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return CommandWith(t, nil, program, args...)
}

// CommandWith is [Command] with a function that may change the command before it runs.
func CommandWith(t testing.TB, edit func(*exec.Cmd), program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	p := StartWith(t, edit, program, args...)
	code = p.Wait(5 * time.Minute)
	return p.Stdout(), p.Stderr(), code
}

func tail(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
