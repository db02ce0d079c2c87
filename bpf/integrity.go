package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/tocsin-io/tocsin/event"
)

// Restore looks whether everything that the sensor put into the kernel is still there as it was: attached programs, the tables
// that lead to them, the switch and the filter of each event. Who has the privilege can take any of it away without touching
// the sensor's process. What is missing is put back. The first list says what was wrong, the second what could not be put back.
func (s *Sensor) Restore() (wrong, left []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil
	}
	for a, p := range s.attached {
		if err := p.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("%s %s: %w", a.kind, a.to, err))
			delete(s.attached, a)
			s.loader.forgotten = append(s.loader.forgotten, p)
			if a.kind == CgroupSKB {
				delete(s.loader.places, a.to)
			}
		}
	}
	wrong = append(wrong, s.loader.check()...)
	wrong = append(wrong, switchedOff(s.attached)...)
	if len(wrong) == 0 {
		return nil, nil
	}
	if s.hold {
		if err := s.loader.hold(); err != nil {
			left = append(left, err)
		}
	}
	if err := s.selectLocked(s.selections); err != nil {
		for _, err := range unwrap(err) {
			if none := (*unavailableError)(nil); !errors.As(err, &none) {
				left = append(left, err)
			}
		}
	}
	return wrong, append(left, switchedOff(s.attached)...)
}

// unavailableError says that this kernel cannot show an event, and why.
type unavailableError struct{ reason string }

func (e *unavailableError) Error() string { return e.reason }

func unwrap(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// check reports that a program is no longer attached, or that another one is in its place.
func (p *program) check() error {
	for _, part := range p.parts {
		lk, ok := part.(link.Link)
		if !ok {
			continue
		}
		switch info, err := lk.Info(); {
		case errors.Is(err, ebpf.ErrNotSupported): // a kernel that does not tell
		case err != nil:
			return fmt.Errorf("the program was detached: %w", err)
		case info.Cgroup() != nil && info.Cgroup().CgroupId == 0: // a link that was detached stays, without its control group
			return errors.New("the program was detached")
		case p.id != 0 && info.Program != p.id:
			return errors.New("another program is in the place of the sensor's")
		}
	}
	return nil
}

// check compares the tables in the kernel with what was written there, and forgets what is no longer so.
func (l *loader) check() (wrong []error) {
	for _, d := range []struct {
		name string
		at   **program
	}{{"sys_exit", &l.exit}, {"sys_enter", &l.enter}} {
		if p := *d.at; p != nil {
			if err := p.check(); err != nil {
				wrong = append(wrong, fmt.Errorf("tracepoint %s: %w", d.name, err))
				l.forgotten = append(l.forgotten, p)
				*d.at = nil
			}
		}
	}
	for to, p := range l.places {
		held := &program{parts: []io.Closer{p.Link, p.idle}}
		if err := held.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("place of programs of packets, %s: %w", to, err))
			l.forgotten = append(l.forgotten, held)
			delete(l.places, to)
		}
	}
	for id, want := range l.configs {
		var have eventConfig
		if err := l.maps["event_configs"].Lookup(uint32(id), &have); err != nil || have != want {
			wrong = append(wrong, fmt.Errorf("event %s: its switch was changed", event.ByID(id).Name))
			delete(l.configs, id)
		}
	}
	for id, f := range l.filters {
		if !l.filterIsThere(f) {
			wrong = append(wrong, fmt.Errorf("event %s: its filter was changed", event.ByID(id).Name))
			l.retired = append(l.retired, f)
			delete(l.filters, id)
		}
	}
	for nr, want := range l.mapped {
		var have uint32
		if err := l.maps["syscall_events"].Lookup(nr, &have); err != nil || have != want {
			wrong = append(wrong, fmt.Errorf("system call %d: what is recorded of it was changed", nr))
		}
	}
	if have, err := l.maps[dispatchData].LookupBytes(uint32(0)); err != nil || !bytes.Equal(have, l.numbers) {
		wrong = append(wrong, errors.New("the numbers of the system calls that have a program were changed"))
	}
	for name, table := range l.tablesOf {
		for nr, want := range table {
			var have uint32 // of a table of programs the kernel tells the program's id
			if err := l.maps[name].Lookup(nr, &have); err != nil || ebpf.ProgramID(have) != want {
				wrong = append(wrong, fmt.Errorf("system call %d: its program was taken out of %s", nr, name))
			}
		}
	}
	return wrong
}

func (l *loader) filterIsThere(f *installedFilter) bool {
	var have filterValue
	if l.maps["filters"].Lookup(f.index, &have) != nil || have != f.value {
		return false
	}
	var grants uint64
	for _, e := range f.texts {
		if l.maps["text_filters"].Lookup(e.key(), &grants) != nil || grants != e.grants {
			return false
		}
	}
	for k, want := range f.numbers {
		if l.maps["number_filters"].Lookup(k, &grants) != nil || grants != want {
			return false
		}
	}
	for table, want := range f.needles {
		var have needles
		if l.maps["needle_filters"].Lookup(table, &have) != nil || have != *want {
			return false
		}
	}
	return true
}

// kernelSwitches turn off hooks of a kind for the whole kernel, whoever uses them.
var kernelSwitches = []struct {
	file  string
	kinds []Kind
}{
	{"/proc/sys/kernel/ftrace_enabled", []Kind{Fentry, Fexit, LSM}},
	{"/sys/kernel/debug/kprobes/enabled", []Kind{Kprobe, Kretprobe}},
}

func switchedOff(attached map[attachment]*program) (wrong []error) {
	for _, sw := range kernelSwitches {
		b, err := os.ReadFile(sw.file)
		if err != nil || strings.TrimSpace(string(b)) != "0" {
			continue
		}
		n := 0
		for a := range attached {
			for _, k := range sw.kinds {
				if a.kind == k {
					n++
				}
			}
		}
		if n > 0 {
			wrong = append(wrong, fmt.Errorf("%s is 0: %d of the sensor's programs are not called; write 1 into it", sw.file, n))
		}
	}
	return wrong
}
