// Package enrich adds to each event what the kernel's record does not carry: the process with its ancestors, and the
// container and pod that it runs in.
//
// The process tree is built from the events sched_process_fork, _exec and _exit, and from /proc for what ran before.
// An event of a process that is already known costs a map look-up and no allocation. What is published in an event
// (event.Process, event.Container, event.Kubernetes) is immutable: a change makes a new value.
//
// An Enricher is used by one goroutine, the one that reads events; Stats may be called from any.
package enrich

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// Events are the events that an Enricher learns from. The sensor must deliver them, whether or not a rule wants them.
var Events = []string{"sched_process_fork", "sched_process_exec", "sched_process_exit", "cgroup_mkdir", "cgroup_rmdir"}

// Options configure an Enricher. The hierarchy of control groups is needed; the rest has working zero values.
type Options struct {
	// ProcRoot is where procfs is mounted: /proc.
	ProcRoot string
	// CgroupMount and CgroupHierarchy are the hierarchy of control groups whose ids the events carry: where it is
	// mounted, and its number (0 for version 2), as the sensor's CgroupHierarchy tells. With another one containers are
	// found through procfs alone, which fails for those that live a moment.
	CgroupMount     string
	CgroupHierarchy uint32
	// MaxProcesses bounds the process table; 0 means 16,384. When it is full, exited processes go first.
	MaxProcesses int
	// MaxAncestors bounds Process.Ancestors; 0 means 16.
	MaxAncestors int
	// KeepExited is for how long a process is remembered after its end, for events that arrive late; 0 means 5 s.
	KeepExited time.Duration
	// Resolve, when set, is asked once for each container, in a goroutine of its own, for name, image and pod.
	Resolve Resolver
	// Derive, when set, gets the events that are made here: container_create, container_remove and existing_container, and
	// net_tcp_connect when it is selected. It is called by Apply, with an event that is valid during the call.
	Derive func(*event.Event)
	// Logger may be nil.
	Logger *slog.Logger
}

// Stats are counts since the start.
type Stats struct {
	Processes  int64 // in the table now
	Containers int64 // in the table now
	Evicted    int64 // processes dropped because the table was full
	ProcReads  int64 // processes learned from /proc after the start, because no event had told of them
	Unknown    int64 // events of processes that were gone before anything was learned about them
}

// Enricher holds the process tree and the containers of one host.
type Enricher struct {
	opts     Options
	log      *slog.Logger
	bootTime uint64 // wall clock at boot, ns
	now      uint64 // timestamp of the latest event, wall clock ns

	procs  map[uint32]*node // by host pid
	exited queue
	host   users // the host's users
	proc   procfs

	scanning bool // what runs at the start is being read

	containers containers
	pending    []pending

	names       names
	connections atomic.Bool // net_tcp_connect is wanted
	derive      event.Builder
	text        []byte

	processes, evicted, procReads, unknown atomic.Int64
}

// New reads what runs now. Call it when the sensor already records the events that an Enricher learns from, and before
// they are read: what starts meanwhile is in one of the two, or both, and is known once.
func New(opts Options) *Enricher {
	if opts.ProcRoot == "" {
		opts.ProcRoot = "/proc"
	}
	if opts.MaxProcesses <= 0 {
		opts.MaxProcesses = 16384
	}
	if opts.MaxAncestors <= 0 {
		opts.MaxAncestors = 16
	}
	if opts.KeepExited <= 0 {
		opts.KeepExited = 5 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Enricher{
		opts: opts, log: opts.Logger, bootTime: bootTime(), now: uint64(time.Now().UnixNano()),
		procs: make(map[uint32]*node, 1024), proc: procfs(opts.ProcRoot), names: names{},
	}
	if names, ok := e.proc.users(rooted{pid: 1}); ok {
		e.host.names.Store(&names)
	}
	e.host.asked = e.now
	e.containers.init(&e.opts)
	e.containers.scan()
	for _, c := range e.containers.byID {
		e.derived(defs.existing, c, nil)
	}
	e.scan()
	return e
}

// Select says which events are wanted: of those made here, only what costs something heeds it. It may be called at any time.
func (e *Enricher) Select(selections []event.Selection) {
	e.connections.Store(e.opts.Derive != nil && slices.ContainsFunc(selections, func(s event.Selection) bool { return s.Event == defs.connect.Name }))
}

// Close stops looking up containers. Events may still be enriched afterwards.
func (e *Enricher) Close() { e.containers.close() }

// Stats returns the counts.
func (e *Enricher) Stats() Stats {
	return Stats{
		Processes: e.processes.Load(), Containers: e.containers.count.Load(), Evicted: e.evicted.Load(),
		ProcReads: e.procReads.Load(), Unknown: e.unknown.Load(),
	}
}

// Apply learns from ev and sets its Process, Container and Kubernetes. Events must come in about the order in which
// they happened; each is applied once.
func (e *Enricher) Apply(ev *event.Event) {
	if ev.Timestamp > e.now {
		e.now = ev.Timestamp
	}
	n := e.task(ev)
	switch ev.Def.ID {
	case ids.exec:
		e.exec(n, ev)
	case ids.fork:
		e.fork(n, ev)
	case ids.exit:
		e.exit(n, ev)
	case ids.mkdir:
		e.derived(defs.create, e.containers.mkdir(ev.Uint(args.cgroupID), ev.Str(args.cgroupPath), ev.Uint(args.hierarchy)), ev)
	case ids.rmdir:
		gone := e.containers.rmdir(ev.Uint(args.cgroupID), ev.Str(args.cgroupPath), ev.Uint(args.hierarchy))
		if gone != nil {
			delete(e.names, gone.meta.Load().container.ID)
		}
		e.derived(defs.remove, gone, ev)
	}
	if n.cgroup != ev.CgroupID || !n.located {
		e.locate(n, ev)
	}
	if n.pub == nil {
		e.publish(n)
	}
	ev.Process = &n.pub.full
	if c := n.container; c != nil {
		m := c.meta.Load()
		ev.Container, ev.Kubernetes = m.container, m.kubernetes
	}
	if len(e.pending) > 0 {
		e.emit(nil)
	}
	switch ev.Def.ID {
	case ids.response:
		e.names.learn(place(ev), ev.Bytes(args.response), e.now)
	case ids.connect:
		if e.connections.Load() {
			e.connection(ev)
		}
	}
}

// Ids of the events and indices of the arguments that are read here.
var ids = struct{ fork, exec, exit, mkdir, rmdir, connect, response event.ID }{
	id("sched_process_fork"), id("sched_process_exec"), id("sched_process_exit"), id("cgroup_mkdir"), id("cgroup_rmdir"),
	id("security_socket_connect"), id("net_packet_dns_response"),
}

var args = struct {
	childPID, childTID, childStart   int
	pathname, argv, pwd, processExit int
	cgroupID, cgroupPath, hierarchy  int
	remoteAddr, sockType, response   int
	dst, dstPort, dstDNS             int
}{
	arg("sched_process_fork", "child_pid"), arg("sched_process_fork", "child_tid"), arg("sched_process_fork", "start_time"),
	arg("sched_process_exec", "pathname"), arg("sched_process_exec", "argv"), arg("sched_process_exec", "pwd"),
	arg("sched_process_exit", "process_group_exit"),
	// cgroup_rmdir has the same.
	arg("cgroup_mkdir", "cgroup_id"), arg("cgroup_mkdir", "cgroup_path"), arg("cgroup_mkdir", "hierarchy_id"),
	arg("security_socket_connect", "remote_addr"), arg("security_socket_connect", "type"), arg("net_packet_dns_response", "dns_response"),
	arg("net_tcp_connect", "dst"), arg("net_tcp_connect", "dst_port"), arg("net_tcp_connect", "dst_dns"),
}

func id(name string) event.ID { return event.ByName(name).ID }

func arg(ev, name string) int {
	i := event.ByName(ev).Arg(name)
	if i < 0 {
		panic("enrich: event " + ev + " has no argument " + name)
	}
	return i
}

// bootTime is the wall clock at boot in ns: what turns a start time since boot into a date.
func bootTime() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return uint64(time.Now().UnixNano() - ts.Nano())
}
