package bpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/tocsin-io/tocsin/event"
)

const maxSyscalls = 512 // MAX_SYSCALLS of syscall.h: 32-bit system calls follow the native ones

// Sections of global variables that Go writes, or that programs of several objects share.
const (
	dispatchData   = ".data.dispatch"   // what the dispatchers look at first
	containersData = ".data.containers" // containers_generation of sensor.h
	readerData     = ".data.reader"     // reader_sleeps of sensor.h
)

var sharedData = map[string]bool{dispatchData: true, containersData: true, readerData: true}

// configure tells the programs what is wanted: filters and system calls first, the switch of each event last. The other events are
// needed by the sensor itself.
func (l *loader) configure(wanted map[event.ID]*selected, also []string) error {
	if err := l.mapSyscalls(wanted); err != nil {
		return err
	}
	configs := map[event.ID]eventConfig{}
	for _, name := range also {
		configs[event.ByName(name).ID] = eventConfig{Flags: configAlways}
	}
	retired := l.retired
	l.retired = nil
	for _, f := range retired { // nobody has looked at them since the last time
		if err := l.removeFilter(f); err != nil {
			return err
		}
	}
	for id, w := range wanted {
		c := configs[id]
		c.Flags |= configWanted
		c.Origins = w.origins()
		if w.def.Urgent {
			c.Flags |= configUrgent
		}
		if w.hook.fallback {
			c.Flags |= configFallback
		}
		if err := l.setFilter(w); err != nil {
			return err
		}
		if f := l.filters[id]; f != nil {
			c.Filter = f.index
		}
		configs[id] = c
	}
	for id := range l.configs {
		if _, ok := configs[id]; !ok {
			configs[id] = eventConfig{}
		}
	}
	for id, c := range configs {
		if l.configs[id] != c {
			if err := l.maps["event_configs"].Put(uint32(id), c); err != nil {
				return fmt.Errorf("configure event: %w", err)
			}
		}
		if c == (eventConfig{}) {
			delete(configs, id)
		}
	}
	l.configs = configs
	for id, f := range l.filters {
		if wanted[id] == nil {
			l.retired = append(l.retired, f)
			delete(l.filters, id)
		}
	}
	return nil
}

// An installedFilter is in the kernel.
type installedFilter struct {
	*filter
	index uint32
}

// setFilter makes the event's filter what its clauses say. The one that it replaces stays until the next time: a program
// may be looking at it.
func (l *loader) setFilter(w *selected) error {
	var f *filter
	if !w.all {
		f = compileFilter(w.def, w.clauses, func() uint32 { l.tables++; return l.tables })
	}
	old := l.filters[w.def.ID]
	if f != nil && old != nil && equalFilters(f, old.filter) {
		return nil
	}
	if old != nil {
		l.retired = append(l.retired, old)
		delete(l.filters, w.def.ID)
	}
	if f == nil {
		return nil
	}
	if len(l.freeFilters) == 0 {
		return nil // more filters than there is room for: let everything through
	}
	in := &installedFilter{f, l.freeFilters[len(l.freeFilters)-1]}
	l.freeFilters = l.freeFilters[:len(l.freeFilters)-1]
	for _, e := range f.texts {
		if err := l.maps["text_filters"].Put(e.key(), e.grants); err != nil {
			return errors.Join(fmt.Errorf("install filter of %s: %w", w.def.Name, err), l.removeFilter(in))
		}
	}
	for k, grants := range f.numbers {
		if err := l.maps["number_filters"].Put(k, grants); err != nil {
			return errors.Join(fmt.Errorf("install filter of %s: %w", w.def.Name, err), l.removeFilter(in))
		}
	}
	for table, n := range f.needles {
		if err := l.maps["needle_filters"].Put(table, n); err != nil {
			return errors.Join(fmt.Errorf("install filter of %s: %w", w.def.Name, err), l.removeFilter(in))
		}
	}
	if err := l.maps["filters"].Put(in.index, &f.value); err != nil {
		return errors.Join(fmt.Errorf("install filter of %s: %w", w.def.Name, err), l.removeFilter(in))
	}
	l.filters[w.def.ID] = in
	return nil
}

func (l *loader) removeFilter(f *installedFilter) error {
	for _, e := range f.texts {
		if err := l.maps["text_filters"].Delete(e.key()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove filter: %w", err)
		}
	}
	for k := range f.numbers {
		if err := l.maps["number_filters"].Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove filter: %w", err)
		}
	}
	for table := range f.needles {
		if err := l.maps["needle_filters"].Delete(table); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove filter: %w", err)
		}
	}
	l.freeFilters = append(l.freeFilters, f.index)
	return nil
}

const maxMappings = 4096 // MAX_MAPPINGS of syscall.bpf.c: all system calls, native and 32-bit, twice

// mapSyscalls writes which events are recorded from which system calls. There is room for the mappings of two times: the
// new ones are written beside those that programs are looking at, and then each system call is switched over at once.
func (l *loader) mapSyscalls(wanted map[event.ID]*selected) error {
	l.half = (l.half + 1) % 2
	at := uint32(l.half*maxMappings/2) + 1 // 0 means none
	first := map[uint32]uint32{}
	add := func(nr uint32, m syscallMapping) error {
		m.Next = uint16(first[nr])
		if at == uint32((l.half+1)*maxMappings/2) {
			return errors.New("configure system calls: too many events are selected")
		}
		if err := l.maps["syscall_mappings"].Put(at, &m); err != nil {
			return fmt.Errorf("configure system calls: %w", err)
		}
		first[nr] = at
		at++
		return nil
	}
	for id, w := range wanted {
		for _, m := range w.hook.mappings {
			numbers := map[bool]uint32{}
			if nr := event.SyscallNumber(m.call); nr >= 0 {
				numbers[false] = uint32(nr)
			}
			if nr, ok := compatNumbers[m.call]; ok {
				numbers[true] = nr
			}
			for compat, nr := range numbers {
				enc, err := m.encode(event.ByID(id), compat)
				if err != nil {
					return err
				}
				if nr >= maxSyscalls {
					continue
				}
				if compat {
					nr += maxSyscalls
				}
				if err := add(nr, enc); err != nil {
					return err
				}
			}
		}
	}
	for nr := range l.mapped {
		if _, ok := first[nr]; !ok {
			if err := l.maps["syscall_events"].Put(nr, uint32(0)); err != nil {
				return fmt.Errorf("configure system calls: %w", err)
			}
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
func (l *loader) dispatch(attached map[attachment]bool) error {
	type tables struct{ native, compat map[uint32]*ebpf.Program }
	want := map[Kind]tables{
		SysExit:  {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
		SysEnter: {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
	}
	first := map[Kind]tables{
		SysExit:  {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
		SysEnter: {map[uint32]*ebpf.Program{}, map[uint32]*ebpf.Program{}},
	}
	exits, enters := l.programs["syscall_exit"], l.programs["syscall_enter"]
	for a := range attached {
		t, ok := want[a.kind]
		if !ok {
			continue
		}
		if firstStage[a.prog] {
			t = first[a.kind]
		}
		p := l.programs[a.prog]
		if p == nil {
			continue // could not be loaded
		}
		set := func(table map[uint32]*ebpf.Program, nr uint32) {
			if old := table[nr]; old == nil || old == exits || old == enters || p != exits && p != enters && !secondHandlers[a.prog] {
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
	// Where there are two stages, the second is in tables of its own: filled before the first one calls it.
	stage := func(table string, first, handlers map[uint32]*ebpf.Program) error {
		second := map[uint32]*ebpf.Program{}
		for nr, p := range first {
			second[nr], handlers[nr] = handlers[nr], p
		}
		return errors.Join(l.fill(strings.Replace(table, "table", "second", 1), second), l.fill(table, handlers))
	}
	errs := []error{
		stage("exit_table", first[SysExit].native, want[SysExit].native), stage("exit_table_compat", first[SysExit].compat, want[SysExit].compat),
		stage("enter_table", first[SysEnter].native, want[SysEnter].native), stage("enter_table_compat", first[SysEnter].compat, want[SysEnter].compat),
	}
	l.numbers = slices.Concat(numbers(want[SysExit].native, want[SysExit].compat), numbers(want[SysEnter].native, want[SysEnter].compat))
	errs = append(errs, l.maps[dispatchData].Put(uint32(0), l.numbers))
	for slot, progs := range [][2]*ebpf.Program{{exits, enters}, {l.programs["execveat_exit"], l.programs["execveat_enter"]}} {
		for i, table := range []string{"after_handler", "after_enter_handler"} {
			if progs[i] != nil {
				errs = append(errs, l.maps[table].Put(uint32(slot), progs[i]))
			}
		}
	}
	for _, d := range []struct {
		kind Kind
		prog string
		at   **program
	}{{SysExit, "sys_exit", &l.exit}, {SysEnter, "sys_enter", &l.enter}} {
		needed := len(want[d.kind].native)+len(want[d.kind].compat) > 0
		switch {
		case needed && *d.at == nil:
			p, err := l.attachAt(attachment{inSyscall, d.prog, Tracepoint, d.prog, false}, d.prog)
			*d.at = p
			errs = append(errs, err)
		case !needed && *d.at != nil:
			errs = append(errs, (*d.at).close())
			*d.at = nil
		}
	}
	return errors.Join(errs...)
}

// numbers has a byte for each number, native or 32-bit, that there is a program for.
func numbers(tables ...map[uint32]*ebpf.Program) []byte {
	out := make([]byte, maxSyscalls)
	for _, t := range tables {
		for nr := range t {
			out[nr] = 1
		}
	}
	return out
}

// secondHandlers run after another handler of their system call, if it has one; that one calls them.
var secondHandlers = map[string]bool{"execveat_enter": true, "execveat_exit": true}

// fill makes a table of programs the given one.
func (l *loader) fill(name string, want map[uint32]*ebpf.Program) error {
	table, ids := l.maps[name], map[uint32]ebpf.ProgramID{}
	l.tablesOf[name] = ids
	for nr := range uint32(maxSyscalls) {
		if p := want[nr]; p != nil {
			if err := table.Put(nr, p); err != nil {
				return fmt.Errorf("put program into table: %w", err)
			}
			ids[nr] = programID(p)
		} else if err := table.Delete(nr); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("take program from table: %w", err)
		}
	}
	return nil
}
