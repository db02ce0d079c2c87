package bpf

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// batches are timed one by one, and of the sorted times the first quarter's end counts: slower ones were interrupted.
const batches = 201

// operations are what is watched, and how many make a batch that is shorter than a timer tick.
var operations = map[string]struct {
	batch int
	do    func(path string)
}{
	"getppid":  {500, func(string) { _, _ = raw(unix.SYS_GETPPID) }},
	"datagram": {50, datagram},
	"open":     {25, openClose},
	"open 65":  {25, openClose}, // beside so many other files that the kernel moves the table of descriptors out of its first place
	"exec": {1, func(string) {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
		check("exec", err)
		_, err = unix.Wait4(pid, nil, 0, nil)
		check("wait", err)
	}},
}

func openClose(path string) {
	fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY, 0)
	check("open", err)
	unix.Close(fd)
}

func init() {
	// Between the test and what is watched: a child has room for as many descriptors as its parent had open, and the sensor has hundreds.
	triggers = append(triggers, trigger{name: "relay", child: func(arg string) {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "TOCSIN_TRIGGER=loop", "TOCSIN_TRIGGER_ARG="+arg)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		check("relay", cmd.Run())
	}})
	triggers = append(triggers, trigger{name: "loop", child: func(arg string) {
		name, path, _ := strings.Cut(arg, ",")
		op := operations[name]
		if name == "open 65" {
			for range 65 {
				_, err := unix.Dup(0)
				check("dup", err)
			}
		}
		runtime.LockOSThread()
		debug.SetGCPercent(-1)
		var times []int64
		for range batches {
			start := cpuTime()
			for range op.batch {
				op.do(path)
			}
			times = append(times, cpuTime()-start)
		}
		slices.Sort(times)
		fmt.Println(float64(times[batches/4]) / float64(op.batch))
	}})
}

// cpuTime returns what this thread and the processes that it waited for have used, ns: not what the sensor's reader used.
func cpuTime() int64 {
	var t unix.Timespec
	check("clock", unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	var u unix.Rusage
	check("rusage", unix.Getrusage(unix.RUSAGE_CHILDREN, &u))
	return t.Nano() + u.Utime.Nano() + u.Stime.Nano()
}

// measure lets another process do the operation, since the sensor ignores its own, and reports its CPU time.
func measure(b *testing.B, op, path string) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: exe, Args: []string{"relay"}, Stderr: os.Stderr,
		Env: append(os.Environ(), "TOCSIN_TRIGGER=relay", "TOCSIN_TRIGGER_ARG="+op+","+path),
	}
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ns, "ns/op")
}

// emptyProgram attaches a program that does nothing to the exit of every system call.
func emptyProgram(b *testing.B) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sys_exit", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close(); prog.Close() })
}

// What the sensor costs the process that is watched: beside no program, and an empty one on every system call. Under
// "vmtest -icount" a nanosecond is an instruction.
func BenchmarkWatched(b *testing.B) {
	testFeatures(b)
	file := b.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	sensor := func(kind Kind, sel ...event.Selection) func(*testing.B) {
		return func(b *testing.B) {
			s, err := Open(Options{Features: testFeatures(b)})
			if err != nil {
				b.Fatal(err)
			}
			for _, x := range sel {
				choice := s.features.Hooks(x.Event)
				s.prefer = map[string]*Hook{}
				for i := range choice.Alternatives {
					if h := &choice.Alternatives[i]; h.Kind == kind && h.Usable {
						s.prefer[x.Event] = h
					}
				}
				if s.prefer[x.Event] == nil {
					b.Skip(x.Event, " by ", kind, " cannot be had here")
				}
			}
			if err := s.Select(sel); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- s.Run(ctx, func(*event.Event) {}) }()
			b.Cleanup(func() {
				cancel()
				<-done
				s.Close()
			})
		}
	}
	opens := event.Selection{Event: "security_file_open"}
	filtered := event.Selection{Event: "security_file_open", Clauses: []event.Clause{{Conds: []event.Cond{
		{Field: "pathname", Op: event.OpPrefix, Strs: []string{"/no/such/dir/"}},
	}}}}
	searched := event.Selection{Event: "security_file_open", Clauses: []event.Clause{{Conds: []event.Cond{
		{Field: "pathname", Op: event.OpContains, Strs: []string{"/no/such/dir/"}},
	}}}}
	var beginnings, ends []string // as many as the built-in rules look for
	for i := range 40 {
		beginnings = append(beginnings, fmt.Sprintf("/etc/%c%d/secret", 'a'+i%26, i))
		ends = append(ends, fmt.Sprintf("/.app/secret%d.%c", i, 'a'+i%26))
	}
	many := event.Selection{Event: "security_file_open", Clauses: []event.Clause{
		{Conds: []event.Cond{{Field: "pathname", Op: event.OpPrefix, Strs: beginnings}}},
		{Conds: []event.Cond{{Field: "pathname", Op: event.OpSuffix, Strs: ends}}},
	}}
	for _, c := range []struct {
		op, with string
		setup    func(*testing.B)
	}{
		{"getppid", "nothing", func(*testing.B) {}},
		{"getppid", "empty program", emptyProgram},
		{"getppid", "fentry", sensor(Fentry, opens)},
		{"getppid", "sys_exit", sensor(SysExit, opens)},
		{"open", "nothing", func(*testing.B) {}},
		{"open", "empty program", emptyProgram},
		{"open", "fentry filtered", sensor(Fentry, filtered)},
		{"open", "fentry searched", sensor(Fentry, searched)},
		{"open", "fentry many texts", sensor(Fentry, many)},
		{"open", "fentry emitted", sensor(Fentry, opens)},
		{"open", "sys_exit filtered", sensor(SysExit, filtered)},
		{"open", "sys_exit emitted", sensor(SysExit, opens)},
		{"open 65", "nothing", func(*testing.B) {}},
		{"open 65", "sys_exit filtered", sensor(SysExit, filtered)},
		{"open 65", "sys_exit emitted", sensor(SysExit, opens)},
		{"exec", "nothing", func(*testing.B) {}},
		{"exec", "sensor", sensor("")},
	} {
		b.Run(c.op+"/"+c.with, func(b *testing.B) {
			c.setup(b)
			measure(b, c.op, file)
		})
	}
}
