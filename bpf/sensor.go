// Package bpf is the kernel half of the sensor: BPF programs that write events into a ring buffer, and the code that
// loads, attaches and reads them.
//
// For each event the sensor has one or more ways to see it, and uses the best that the running kernel has: a program on
// a kernel function or LSM hook, which costs nothing until it happens, or else on the exit of system calls. Probe shows
// the choice. Only what is selected is attached; Select may be called at any time.
//
// Open, Select, Stats and Close are safe for concurrent use; Run may be called once at a time.
package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/tocsin-io/tocsin/bpf/internal/packet"
	"github.com/tocsin-io/tocsin/event"
)

// Options configure a Sensor. The zero value is good for a host.
type Options struct {
	// RingBytes is the size of the ring buffer, a power of two; 16 MiB when zero.
	RingBytes int
	// VerifierLog adds the verifier's reasons to the error for a program that the kernel refuses. It makes refusals slow.
	VerifierLog bool
	// Features is what Probe found; nil probes.
	Features *Features
	// ScanEvery is the time from one look through the kernel's memory to the next; 10 s when zero. There is none while no event
	// that needs it is selected, and one more after each module that is loaded.
	ScanEvery time.Duration
	// HoldPackets attaches a program that does nothing wherever a program of packets is not selected, so that one may be
	// selected when the process has given up CAP_NET_ADMIN.
	HoldPackets bool
}

// A Sensor sees events in the kernel. Close it to detach.
type Sensor struct {
	features *Features
	loader   *loader
	bell     *bell
	reader   *ringbuf.Reader
	existing map[uint64]string

	hierarchy hierarchy
	hold      bool

	undecoded atomic.Uint64
	scanner   *scanner
	unparsed  map[error]*atomic.Uint64 // packets, by why

	mu         sync.Mutex
	attached   map[attachment]*program
	selections []event.Selection
	prefer     map[string]*Hook  // by event; instead of the best hook
	counted    map[event.ID]bool // were ever selected
	closed     bool
}

// Open loads what enrichment needs and gets ready to attach more. Without the privileges or kernel support that it needs
// the error says what is missing and how to get it.
func Open(o Options) (*Sensor, error) {
	if err := CheckPrivileges(); err != nil {
		return nil, err
	}
	if err := rlimit.RemoveMemlock(); err != nil { // kernels before 5.11 count BPF memory against the limit
		return nil, fmt.Errorf("raise the memlock limit, which kernels before 5.11 need (CAP_SYS_RESOURCE): %w", err)
	}
	if o.Features == nil {
		var err error
		if o.Features, err = Probe(); err != nil {
			return nil, err
		}
	}
	if r := o.Features.Missing[Tracepoint]; r != "" {
		return nil, fmt.Errorf("BPF programs cannot be attached to tracepoints: %s", r)
	}
	if o.RingBytes == 0 {
		o.RingBytes = 16 << 20
	}
	if o.ScanEvery == 0 {
		o.ScanEvery = 10 * time.Second
	}
	s := &Sensor{features: o.Features, hold: o.HoldPackets, scanner: newScanner(o.ScanEvery), attached: map[attachment]*program{}, counted: map[event.ID]bool{}, unparsed: map[error]*atomic.Uint64{}}
	for _, why := range packet.Unparsed {
		s.unparsed[why] = new(atomic.Uint64)
	}
	for _, name := range alwaysEvents {
		s.counted[event.ByName(name).ID] = true
	}
	if err := s.open(o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sensor) open(o Options) error {
	var err error
	if s.hierarchy, err = findHierarchy(s.features); err != nil {
		return err
	}
	if s.loader, err = newLoader(s.features, s.hierarchy, o.RingBytes); err != nil {
		return err
	}
	s.loader.verifierLog = o.VerifierLog
	if s.reader, err = ringbuf.NewReader(s.loader.maps["ring"]); err != nil {
		return fmt.Errorf("open ring buffer: %w", err)
	}
	if s.bell, err = newBell(s.loader.maps["ring"], s.loader.maps[readerData], s.reader); err != nil {
		return err
	}
	if s.hold {
		if err := s.loader.hold(); err != nil {
			return err
		}
	}
	if err := s.Select(nil); err != nil {
		return err
	}
	// Programs that follow new containers run by now: none is missed between the two.
	if s.existing, err = s.hierarchy.containers(); err != nil {
		return err
	}
	for id := range s.existing {
		c := container{Root: id, Started: 1}
		if err := s.loader.maps["containers"].Put(id, c); err != nil {
			return fmt.Errorf("register container: %w", err)
		}
	}
	// What programs remember of control groups is void: they count up from zero, and do not come that far.
	if err := s.loader.maps[containersData].Put(uint32(0), uint32(1<<31)); err != nil {
		return fmt.Errorf("register containers: %w", err)
	}
	return nil
}

// Containers returns the containers that existed when the sensor started: the id of their control group, and the
// container's id. Later ones come as cgroup_mkdir events.
func (s *Sensor) Containers() map[uint64]string { return s.existing }

// CgroupHierarchy returns where the tree of control groups is mounted that Header.CgroupID belongs to ("" when it is not),
// and its hierarchy_id, 0 for version 2.
func (s *Sensor) CgroupHierarchy() (mount string, id uint32) {
	return s.hierarchy.mount, s.hierarchy.id
}

// Features returns what the kernel offers.
func (s *Sensor) Features() *Features { return s.features }

// eventConfig is struct event_config of sensor.h.
type eventConfig struct {
	Flags, Origins uint16
	Filter         uint32
}

const (
	configWanted = 1 << iota
	configAlways
	configUrgent
	configFallback
)

// Select makes the given events, and those that enrichment needs, the ones that the sensor sees. Conditions that the kernel
// can judge are judged there. Programs that stay are not touched, and what was selected before and still is does not stop
// meanwhile. An event that this kernel cannot show is reported in the error, and the others work.
func (s *Sensor) Select(selections []event.Selection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.selections = slices.Clone(selections)
	return s.selectLocked(selections)
}

func (s *Sensor) selectLocked(selections []event.Selection) error {
	var errs []error
	wanted := map[event.ID]*selected{}
	for _, sel := range selections {
		def := event.ByName(sel.Event)
		if def == nil {
			errs = append(errs, fmt.Errorf("select %s: no such event", sel.Event))
			continue
		}
		for _, sel := range sourcesOf(def, sel) {
			def := event.ByName(sel.Event)
			w := wanted[def.ID]
			if w == nil {
				w = &selected{def: def}
				wanted[def.ID] = w
			}
			w.add(sel)
		}
	}
	for _, id := range s.byObject(wanted) {
		var err error
		w := wanted[id]
		if w.hook, err = s.attachBest(w); err != nil {
			errs = append(errs, fmt.Errorf("select %s: %w", w.def.Name, err))
			delete(wanted, id)
			continue
		}
		s.counted[id] = true
	}
	// New programs come before anything is wanted of them, old ones go when nothing is any more.
	progs := map[attachment]bool{}
	for _, a := range always {
		progs[a] = true
	}
	scans := map[string]bool{}
	for _, w := range wanted {
		for _, a := range w.hook.progs {
			progs[a] = true
			if a.kind == Scan {
				scans[a.to] = true
			}
		}
	}
	also := alwaysEvents
	if len(scans) > 0 && s.features.hasTracepoint(moduleLoaded.to) {
		also = append(slices.Clone(also), "module_load")
		progs[moduleLoaded] = true
		errs = append(errs, s.attach([]attachment{moduleLoaded})...)
		s.counted[moduleLoadID] = true
	}
	errs = append(errs, s.attach(always)...)
	errs = append(errs, s.loader.configure(wanted, also), s.loader.dispatch(progs))
	errs = append(errs, s.scan(scans)...)
	errs = append(errs, s.detach(progs)...)
	s.features.release()
	s.loader.release()
	return errors.Join(errs...)
}

// byObject returns the events in an order that has the programs of one object together.
func (s *Sensor) byObject(wanted map[event.ID]*selected) []event.ID {
	object := map[event.ID]string{}
	for id, w := range wanted {
		object[id] = ""
		if h := s.features.Hooks(w.def.Name).Hook; h != nil && len(h.progs) > 0 { // some are always there
			object[id] = h.progs[0].object
		}
	}
	return slices.SortedFunc(maps.Keys(object), func(a, b event.ID) int {
		return cmp.Or(cmp.Compare(object[a], object[b]), cmp.Compare(a, b))
	})
}

// sourcesOf returns what has to be selected for an event that may be derived from others.
func sourcesOf(def *event.Def, sel event.Selection) []event.Selection {
	if len(def.Derived) == 0 {
		return []event.Selection{sel}
	}
	var out []event.Selection
	for _, name := range def.Derived {
		switch {
		case slices.Contains(alwaysEvents, name):
		case name == "security_socket_connect":
			out = append(out, connections(sel))
		default:
			out = append(out, event.Selection{Event: name})
		}
	}
	return out
}

// connections returns which connections net_tcp_connect is wanted of.
func connections(sel event.Selection) event.Selection {
	out := event.Selection{Event: "security_socket_connect"}
	for _, c := range sel.Clauses {
		var conds []event.Cond
		for _, cond := range c.Conds {
			switch {
			case cond.Field == "dst":
				cond.Field = "remote_addr.sin_addr"
			case cond.Field == "dst_port":
				cond.Field = "remote_addr.sin_port"
			case cond.Field[0] != '@':
				continue // names are known to user space
			}
			conds = append(conds, cond)
		}
		out.Clauses = append(out.Clauses, event.Clause{Origins: c.Origins, Conds: conds})
	}
	return out
}

// A selected event is what all selections of one event come to.
type selected struct {
	def     *event.Def
	hook    *Hook
	all     bool // without any condition
	clauses []event.Clause
}

func (w *selected) add(sel event.Selection) {
	w.all = w.all || len(sel.Clauses) == 0
	w.clauses = append(w.clauses, sel.Clauses...)
}

// origins returns the union of the origins that the clauses allow.
func (w *selected) origins() uint16 {
	const everywhere = uint16(event.InHost | event.InContainer | event.InContainerInit)
	if w.all {
		return everywhere
	}
	var o uint16
	for _, c := range w.clauses {
		if c.Origins == 0 {
			return everywhere
		}
		o |= uint16(c.Origins)
	}
	return o
}

// calls returns the system calls that the clauses ask for by the argument "syscall"; none when any of them does not.
func (w *selected) calls() []string {
	if w.all {
		return nil
	}
	var calls []string
	for _, c := range w.clauses {
		i := slices.IndexFunc(c.Conds, func(c event.Cond) bool {
			return c.Field == "syscall" && c.Op == event.OpEqual && !c.Not && len(c.Nums) > 0
		})
		if i < 0 {
			return nil
		}
		for _, nr := range c.Conds[i].Nums {
			calls = append(calls, event.SyscallName(int32(nr)))
		}
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}

// attachBest attaches the best hook of an event that can be attached.
func (s *Sensor) attachBest(w *selected) (*Hook, error) {
	if h := s.prefer[w.def.Name]; h != nil {
		h = h.on(w.calls())
		return h, errors.Join(s.attach(h.progs)...)
	}
	for {
		choice := s.features.Hooks(w.def.Name)
		if choice.Hook == nil {
			return nil, &unavailableError{choice.Reason}
		}
		h := choice.Hook.on(w.calls())
		errs := s.attach(h.progs)
		if len(errs) == 0 {
			return h, nil
		}
		s.features.setBroken(choice.Hook, errors.Join(errs...).Error())
	}
}

// attach attaches what is not attached yet.
func (s *Sensor) attach(progs []attachment) []error {
	var errs []error
	for _, a := range progs {
		if s.attached[a] != nil || optional[a.to] && !s.features.hasFunction(a.to) {
			continue
		}
		p, err := s.loader.attach(a)
		if err != nil {
			errs = append(errs, fmt.Errorf("attach %s to %s %s: %w", a.prog, a.kind, a.to, err))
			continue
		}
		s.attached[a] = p
	}
	return errs
}

// detach detaches what is no longer wanted.
func (s *Sensor) detach(wanted map[attachment]bool) []error {
	var errs []error
	for a, p := range s.attached {
		if wanted[a] {
			continue
		}
		delete(s.attached, a)
		if err := p.close(); err != nil {
			errs = append(errs, fmt.Errorf("detach %s from %s: %w", a.prog, a.to, err))
		}
	}
	return errs
}

// Close detaches everything. A Run in progress returns. It may be called again.
func (s *Sensor) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.scanner.stop()
	var errs []error
	for _, p := range s.attached {
		errs = append(errs, p.close())
	}
	if s.bell != nil {
		errs = append(errs, s.bell.close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.loader != nil {
		errs = append(errs, s.loader.close())
	}
	return errors.Join(errs...)
}
