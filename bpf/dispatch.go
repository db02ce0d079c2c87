package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/tocsin-io/tocsin/event"
)

const maxSyscalls = 512 // MAX_SYSCALLS of syscall.h: 32-bit system calls follow the native ones

// configure tells the programs what is wanted.
func (l *loader) configure(configs map[event.ID]eventConfig) error {
	for id := range l.configs {
		if _, ok := configs[id]; !ok {
			if err := l.maps["event_configs"].Put(uint32(id), eventConfig{}); err != nil {
				return fmt.Errorf("configure event: %w", err)
			}
		}
	}
	for id, c := range configs {
		if l.configs[id] == c {
			continue
		}
		if err := l.maps["event_configs"].Put(uint32(id), c); err != nil {
			return fmt.Errorf("configure event: %w", err)
		}
	}
	l.configs = configs
	return nil
}

// mapSyscalls writes which events are recorded from which system calls.
func (l *loader) mapSyscalls(hooks map[event.ID]*Hook) error {
	mappings := []syscallMapping{{}} // 0 means none
	first := map[uint32]uint32{}
	add := func(nr uint32, m syscallMapping) {
		m.Next = uint16(first[nr])
		first[nr] = uint32(len(mappings))
		mappings = append(mappings, m)
	}
	for id, h := range hooks {
		for _, m := range h.mappings {
			enc, err := m.encode(event.ByID(id))
			if err != nil {
				return err
			}
			if nr := event.SyscallNumber(m.call); nr >= 0 && nr < maxSyscalls {
				add(uint32(nr), enc)
			}
			if nr, ok := compatNumbers[m.call]; ok && nr < maxSyscalls {
				add(maxSyscalls+nr, enc)
			}
		}
	}
	// An entry is emptied before the mapping behind it changes: a program never reads one as another.
	for nr := range l.mapped {
		if err := l.maps["syscall_events"].Put(nr, uint32(0)); err != nil {
			return fmt.Errorf("configure system calls: %w", err)
		}
	}
	for i := range mappings {
		if err := l.maps["syscall_mappings"].Put(uint32(i), &mappings[i]); err != nil {
			return fmt.Errorf("configure system calls: %w", err)
		}
	}
	for nr, i := range first {
		if err := l.maps["syscall_events"].Put(nr, i); err != nil {
			return fmt.Errorf("configure system calls: %w", err)
		}
	}
	l.mapped = first
	return nil
}

// dispatch fills the tables of the dispatchers, and attaches these while they have something to call.
// Where a system call has a handler and is also recorded, the handler goes on to the recorder.
func (l *loader) dispatch(attached map[attachment]*program) error {
	type tables struct{ native, compat map[uint32]*ebpf.Program }
	want := map[Kind]tables{
		SysExit:  {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
		SysEnter: {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
	}
	recorder := l.programs["syscall_exit"]
	for a := range attached {
		t, ok := want[a.kind]
		if !ok {
			continue
		}
		p := l.programs[a.prog]
		set := func(table map[uint32]*ebpf.Program, nr uint32) {
			if table[nr] == nil || p != recorder {
				table[nr] = p
			}
		}
		if nr := event.SyscallNumber(a.to); nr >= 0 && nr < maxSyscalls {
			set(t.native, uint32(nr))
		}
		if nr, ok := compatNumbers[a.to]; ok && nr < maxSyscalls {
			set(t.compat, nr)
		}
	}
	errs := []error{
		fill(l.maps["exit_table"], want[SysExit].native), fill(l.maps["exit_table_compat"], want[SysExit].compat),
		fill(l.maps["enter_table"], want[SysEnter].native), fill(l.maps["enter_table_compat"], want[SysEnter].compat),
	}
	if recorder != nil {
		errs = append(errs, l.maps["after_handler"].Put(uint32(0), recorder))
	}
	for _, d := range []struct {
		kind Kind
		prog string
		at   **program
	}{{SysExit, "sys_exit", &l.exit}, {SysEnter, "sys_enter", &l.enter}} {
		needed := len(want[d.kind].native)+len(want[d.kind].compat) > 0
		switch {
		case needed && *d.at == nil:
			p, err := l.attachAt(attachment{inSyscall, d.prog, Tracepoint, d.prog}, d.prog)
			*d.at = p
			errs = append(errs, err)
		case !needed && *d.at != nil:
			errs = append(errs, (*d.at).close())
			*d.at = nil
		}
	}
	return errors.Join(errs...)
}

// fill makes a table of programs the given one.
func fill(table *ebpf.Map, want map[uint32]*ebpf.Program) error {
	for nr := range uint32(maxSyscalls) {
		if p := want[nr]; p != nil {
			if err := table.Put(nr, p); err != nil {
				return fmt.Errorf("put program into table: %w", err)
			}
		} else if err := table.Delete(nr); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("take program from table: %w", err)
		}
	}
	return nil
}
