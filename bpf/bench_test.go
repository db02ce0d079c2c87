package bpf

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func init() {
	triggers = append(triggers, trigger{name: "loop", child: func(arg string) {
		f := strings.Split(arg, ",")
		n, err := strconv.Atoi(f[1])
		check("count", err)
		op := map[string]func(){
			"getppid": func() { _, _ = raw(unix.SYS_GETPPID) },
			"open": func() {
				fd, err := unix.Openat(unix.AT_FDCWD, f[2], unix.O_RDONLY, 0)
				check("open", err)
				unix.Close(fd)
			},
			"exec": func() {
				check("exec", (&exec.Cmd{Path: "/bin/true"}).Run())
			},
		}[f[0]]
		op()
		start := time.Now()
		for range n {
			op()
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}})
}

// measure lets another process do n operations, since the sensor ignores its own, and reports their time.
func measure(b *testing.B, op, path string) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: exe, Args: []string{"loop"}, Stderr: os.Stderr,
		Env: append(os.Environ(), "TOCSIN_TRIGGER=loop", fmt.Sprintf("TOCSIN_TRIGGER_ARG=%s,%d,%s", op, b.N, path)),
	}
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ns/float64(b.N), "ns/op")
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
		{"open", "fentry emitted", sensor(Fentry, opens)},
		{"open", "sys_exit filtered", sensor(SysExit, filtered)},
		{"open", "sys_exit emitted", sensor(SysExit, opens)},
		{"exec", "nothing", func(*testing.B) {}},
		{"exec", "sensor", sensor("")},
	} {
		b.Run(c.op+"/"+c.with, func(b *testing.B) {
			c.setup(b)
			measure(b, c.op, file)
		})
	}
}
