package bpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf/scan"
	"github.com/tocsin-io/tocsin/event"
)

// moduleLoaded tells when to look: a module is about to run its own code.
var moduleLoaded = attachment{inKernel, "module_load", Tracepoint, "module_load", false}

var moduleLoadID = event.ByName("module_load").ID

// afterModule are the times after a module was loaded at which the kernel's memory is looked through: while it starts, and when
// what it has put off is done.
var afterModule = []time.Duration{100 * time.Millisecond, time.Second}

// A scanner looks through the kernel's memory from time to time, and keeps what it finds until the reader hands it out.
type scanner struct {
	every time.Duration
	found chan *event.Event
	soon  chan struct{}

	mu      sync.Mutex
	checks  map[string]scan.Check // that are wanted, by event
	kernel  *scan.Kernel
	running context.CancelFunc
	ended   chan struct{}
	counts  map[event.ID]uint64 // events handed out
	failed  uint64              // looks that ended in an error
	failure error               // of the last of these
}

// syscallTables are the kernel's, for native and 32-bit programs.
var syscallTables = []scan.Table{
	{Symbol: "sys_call_table", Name: func(nr int) string { return event.SyscallName(int32(nr)) }},
	{Symbol: "ia32_sys_call_table", Name: compatName},
	{Symbol: "compat_sys_call_table", Name: compatName},
}

func compatName(nr int) string {
	for name, n := range compatNumbers {
		if int(n) == nr {
			return name
		}
	}
	return strconv.Itoa(nr)
}

func newScanner(every time.Duration) *scanner {
	return &scanner{every: every, found: make(chan *event.Event, 16), soon: make(chan struct{}, 1), checks: map[string]scan.Check{}, counts: map[event.ID]uint64{}}
}

// scan makes the given events the ones that are looked for.
func (s *Sensor) scan(events map[string]bool) (errs []error) {
	sc := s.scanner
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for name := range sc.checks {
		if !events[name] {
			delete(sc.checks, name)
		}
	}
	for name := range events {
		if sc.checks[name] != nil {
			continue
		}
		if sc.kernel == nil {
			memory, err := newKernelMemory(s.loader)
			if err != nil {
				return append(errs, err)
			}
			sc.kernel = scan.New(memory, s.features.symbols, s.features.find, syscallTables)
		}
		check, err := sc.kernel.Check(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("select %s: %w", name, &unavailableError{err.Error()}))
			continue
		}
		sc.checks[name] = check
	}
	switch {
	case len(sc.checks) == 0:
		sc.stopLocked()
	case sc.running == nil:
		ctx, cancel := context.WithCancel(context.Background())
		sc.running, sc.ended = cancel, make(chan struct{})
		go sc.run(ctx, sc.ended)
	default:
		sc.hurry()
	}
	return errs
}

func (sc *scanner) stop() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.stopLocked()
}

func (sc *scanner) stopLocked() {
	if sc.running == nil {
		return
	}
	sc.running()
	sc.running = nil
	sc.mu.Unlock()
	<-sc.ended
	sc.mu.Lock()
}

// hurry asks for a look soon: a module was loaded.
func (sc *scanner) hurry() {
	select {
	case sc.soon <- struct{}{}:
	default:
	}
}

// run looks again and again. What is found is told once, as long as it stays.
func (sc *scanner) run(ctx context.Context, ended chan<- struct{}) {
	defer close(ended)
	told := map[string]map[string]bool{} // by event
	next := time.NewTimer(0)
	defer next.Stop()
	var soon []time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-sc.soon:
			soon = soon[:0]
			for _, d := range afterModule {
				soon = append(soon, time.Now().Add(d))
			}
		case <-next.C:
			if len(soon) > 0 && !time.Now().Before(soon[0]) {
				soon = soon[1:]
			}
			if !sc.look(ctx, told) {
				return
			}
		}
		wait := sc.every
		if len(soon) > 0 {
			wait = min(wait, time.Until(soon[0]))
		}
		next.Reset(wait)
	}
}

// look runs every check once. It returns false when ctx is done.
func (sc *scanner) look(ctx context.Context, told map[string]map[string]bool) bool {
	sc.mu.Lock()
	checks := maps.Clone(sc.checks)
	sc.mu.Unlock()
	for name := range told {
		if checks[name] == nil {
			delete(told, name)
		}
	}
	for name, check := range checks {
		found, err := check()
		if err != nil {
			sc.mu.Lock()
			sc.failed, sc.failure = sc.failed+1, fmt.Errorf("look for %s: %w", name, err)
			sc.mu.Unlock()
			continue
		}
		now := map[string]bool{}
		for _, f := range found {
			key := f.Key()
			now[key] = true
			if told[name][key] {
				continue
			}
			select {
			case sc.found <- scannedEvent(name, f):
			case <-ctx.Done():
				return false
			}
		}
		told[name] = now
	}
	return true
}

// hand gives what was found to the reader's handler.
func (sc *scanner) hand(handle func(*event.Event)) {
	for {
		select {
		case e := <-sc.found:
			sc.mu.Lock()
			sc.counts[e.ID]++
			sc.mu.Unlock()
			handle(e)
		default:
			return
		}
	}
}

// scannedEvent is an event of no process: of the kernel as a whole.
func scannedEvent(name string, f scan.Found) *event.Event {
	b := event.New(event.ByName(name))
	h := b.Header()
	h.Timestamp = uint64(time.Now().UnixNano())
	h.SetComm("kernel")
	if host, err := os.Hostname(); err == nil {
		b.SetHost(host)
	}
	for arg, value := range f.Args {
		if err := b.Set(arg, value); err != nil {
			panic(err) // the catalogue and the scan disagree
		}
	}
	return b.Event()
}

// kernelMemory reads by a BPF program that is run on purpose.
type kernelMemory struct {
	prog   *ebpf.Program
	peeked *ebpf.Memory
}

func newKernelMemory(l *loader) (*kernelMemory, error) {
	peeked, err := l.maps["peeked"].Memory()
	if err != nil {
		return nil, fmt.Errorf("map the memory that the kernel's is copied to: %w", err)
	}
	return &kernelMemory{l.programs["peek"], peeked}, nil
}

const peekMax = 4096 // PEEK_MAX of kernel.bpf.c

func (m *kernelMemory) Read(at uint64, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), peekMax)
		if err := m.peek(at, b[:n]); err != nil {
			return err
		}
		at, b = at+uint64(n), b[n:]
	}
	return nil
}

func (m *kernelMemory) peek(at uint64, b []byte) error {
	ret, err := m.prog.Run(&ebpf.RunOptions{Context: [2]uint64{at, uint64(len(b))}})
	if err != nil {
		return fmt.Errorf("read the kernel's memory: %w", err)
	}
	if ret != 0 {
		return fmt.Errorf("read the kernel's memory at %#x: %w", at, unix.Errno(-int32(ret)))
	}
	_, err = m.peeked.ReadAt(b, 0)
	return err
}

func (m *kernelMemory) Task() (uint64, error) {
	if ret, err := m.prog.Run(&ebpf.RunOptions{Context: [2]uint64{}}); err != nil || ret != 0 {
		return 0, errors.Join(errors.New("the kernel does not tell the current task"), err)
	}
	var at [8]byte
	_, err := m.peeked.ReadAt(at[:], 0)
	return binary.NativeEndian.Uint64(at[:]), err
}

// tryScan finds out whether a program can be run on purpose, and read the kernel's memory.
func tryScan() error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "tocsin_probe", Type: ebpf.RawTracepoint, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R3, asm.R0), asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 8),
			asm.FnProbeReadKernel.Call(), asm.Return(),
		},
	})
	if err != nil {
		return fmt.Errorf("reading the kernel's memory is not permitted, perhaps by kernel lockdown: %s", reason(err))
	}
	defer prog.Close()
	switch ret, err := prog.Run(&ebpf.RunOptions{}); {
	case err != nil:
		return errors.New("the kernel cannot run a program on request (BPF_PROG_TEST_RUN of raw tracepoints, Linux 5.10)")
	case ret != 0:
		return fmt.Errorf("reading the kernel's memory is not permitted, perhaps by kernel lockdown: %w", unix.Errno(-int32(ret)))
	}
	return nil
}
