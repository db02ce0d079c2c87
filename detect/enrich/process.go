package enrich

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

// tick is the unit of start times in /proc: a hundredth of a second (USER_HZ), in ns.
const tick = 10_000_000

// argsMax and ancestorArgsMax bound the bytes of arguments kept for a process, and for it as an ancestor of others: every
// finding carries them.
const (
	argsMax         = 4096
	ancestorArgsMax = 512
)

// locateTries bounds how often the container of one process is looked for.
const locateTries = 3

// appendArg adds an argument, cut to what is left of limit bytes. It reports whether more may follow.
func appendArg(args []string, arg string, left *int) ([]string, bool) {
	if len(arg) <= *left {
		*left -= len(arg)
		return append(args, arg), true
	}
	return append(args, arg[:*left]+"…"), false
}

// cutArgs returns the first arguments, of at most limit bytes in all.
func cutArgs(args []string, limit int) []string {
	size := 0
	for _, a := range args {
		size += len(a)
	}
	if size <= limit {
		return args
	}
	var out []string
	more := true
	for i := 0; i < len(args) && more; i++ {
		out, more = appendArg(out, args[i], &limit)
	}
	return out
}

// node is a process that runs or has run.
type node struct {
	pid   uint32
	start uint64 // of the group leader, ns since boot
	exact bool   // start is the kernel's, not /proc's, which is in ticks
	gone  bool
	execs uint32

	// What events are compared with, to see a change without an allocation.
	comm      [16]byte
	names     *userNames // that its user's name is from
	nameless  bool       // its user has no name there
	rooted    bool       // its container's first process has been executed: its root is the container's
	uid, euid uint32
	caps      uint64

	draft     *event.Process // the process as its parent was when it forked; used until pub is there
	parent    *event.Process // the parent, without ancestors
	ancestors []*event.Process
	pub       *published

	located   bool
	tries     uint8 // at finding its container, in vain
	cgroup    uint64
	container *container
}

// published is the process in the two forms that events need: with its ancestors, and as an ancestor.
type published struct{ self, full event.Process }

// execID names one program run by one process: "<host pid>:<start, ticks since boot>:<n-th exec>". The start is in the
// unit of /proc, so that a process found there and the same one seen by the kernel have one name.
func execID(pid uint32, start uint64, execs uint32) string {
	b := make([]byte, 0, 32)
	b = strconv.AppendUint(b, uint64(pid), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, start/tick, 10)
	b = append(b, ':')
	return string(strconv.AppendUint(b, uint64(execs), 10))
}

// task returns the node of the process that ev happened in, up to date with ev's header.
func (e *Enricher) task(ev *event.Event) *node {
	n := e.procs[ev.HostPID]
	switch {
	case n == nil || !n.is(ev.LeaderStart):
		n = e.adopt(ev)
	case !n.exact && ev.LeaderStart != 0:
		n.start, n.exact = ev.LeaderStart, true
	}
	n.rooted = n.rooted || ev.Flags&event.FlagContainerStarted != 0
	// A thread may carry a name of its own, and for a moment other credentials: the process's are its leader's.
	if ev.HostTID == ev.HostPID && (n.comm != ev.Comm || n.uid != ev.UID || n.euid != ev.EUID || n.caps != ev.CapEff) {
		p := n.current()
		if n.comm != ev.Comm {
			p.Comm, n.comm = strings.Clone(ev.CommString()), ev.Comm
		}
		if p.UID != ev.UID {
			p.UID = ev.UID
			e.nameUser(n, &p)
		}
		p.EUID, p.CapEff = ev.EUID, ev.CapEff
		n.uid, n.euid, n.caps = ev.UID, ev.EUID, ev.CapEff
		n.set(&p)
	}
	if u := e.usersOf(n); (n.names != u.names.Load() || n.nameless && u.due(e.now)) && (n.container != nil || ev.Flags&event.FlagContainer == 0) {
		p := n.current()
		was := p.User
		if e.nameUser(n, &p); p.User != was {
			n.set(&p)
		}
	}
	return n
}

// usersOf returns the user database that a process lives with.
func (e *Enricher) usersOf(n *node) *users {
	if n.container != nil {
		return &n.container.users
	}
	return &e.host
}

// nameUser sets the user's name of p, the facts of n, as far as it is known.
func (e *Enricher) nameUser(n *node, p *event.Process) {
	u, root := e.usersOf(n), rooted{pid: 1}
	if n.container != nil {
		if root = (rooted{}); n.rooted {
			root = rooted{n.pid, n.start}
		}
	}
	n.names = u.names.Load()
	p.User = u.name(p.UID, e.proc, root, e.now)
	n.nameless = p.User == ""
}

// is reports whether the process that started at that time, in ns since boot, is this one.
func (n *node) is(start uint64) bool {
	return n.start == start || start == 0 || !n.exact && n.start/tick == start/tick
}

// current returns the facts of the process, to be changed and set.
func (n *node) current() event.Process {
	if n.pub != nil {
		p := n.pub.full
		p.Ancestors = nil
		return p
	}
	return *n.draft
}

// set replaces the facts of the process; they are published when an event needs them.
func (n *node) set(p *event.Process) {
	n.draft, n.pub = p, nil
}

func (e *Enricher) publish(n *node) {
	p := *n.draft
	p.Ancestors = nil
	p.ExecID = execID(n.pid, n.start, n.execs)
	if n.container != nil {
		p.ContainerID = n.container.id
	} else {
		p.ContainerID = ""
	}
	n.pub = &published{self: p, full: p}
	n.pub.self.Args = cutArgs(p.Args, ancestorArgsMax)
	n.draft = nil
	e.nameAncestors(n)
	n.pub.full.Ancestors = n.ancestors
}

// nameAncestors names the users of ancestors that had forked before their container's user database was read.
func (e *Enricher) nameAncestors(n *node) {
	names := e.usersOf(n).names.Load()
	if names == nil || n.container == nil {
		return
	}
	cloned := false
	for i, a := range n.ancestors {
		name := (*names)[a.UID]
		if a.User != "" || name == "" || a.ContainerID != n.container.id {
			continue
		}
		if !cloned {
			n.ancestors, cloned = slices.Clone(n.ancestors), true // the array may be in an event
		}
		known := *a
		known.User = name
		n.ancestors[i] = &known
	}
}

// adopt makes a node for a process that no event has told of.
func (e *Enricher) adopt(ev *event.Event) *node {
	n := &node{pid: ev.HostPID, start: ev.LeaderStart, exact: true}
	p, start, ok := e.proc.read(ev.HostPID)
	if ok && (ev.LeaderStart == 0 || start/tick == ev.LeaderStart/tick) {
		e.procReads.Add(1)
		if n.start == 0 {
			n.start, n.exact = start, false
		}
	} else {
		if ev.HostPID != 0 {
			e.unknown.Add(1)
		}
		p = &event.Process{PID: ev.HostPID, PPID: ev.HostPPID, Comm: strings.Clone(ev.CommString()), UID: ev.UID, EUID: ev.EUID, CapEff: ev.CapEff}
	}
	p.StartTime = e.bootTime + n.start
	n.observed(p)
	n.draft = p
	if ev.Flags&event.FlagContainer == 0 {
		e.nameUser(n, p) // else when its container is known
	}
	if ev.HostPPID != 0 {
		p.PPID = ev.HostPPID
	}
	e.inherit(n, e.ancestor(p.PPID, ev.ParentStart, 0))
	e.add(n)
	return n
}

// ancestor returns the process with that pid and start (ns since boot; 0 is not known), from the table or from /proc.
func (e *Enricher) ancestor(pid uint32, start uint64, depth int) *node {
	if pid == 0 || depth > e.opts.MaxAncestors {
		return nil
	}
	if n := e.procs[pid]; n != nil && n.is(start) {
		return n
	}
	p, began, ok := e.proc.read(pid)
	if !ok || start != 0 && start/tick != began/tick {
		return nil
	}
	return e.found(p, began, depth)
}

// found adds a process that /proc told of, after its ancestors.
func (e *Enricher) found(p *event.Process, start uint64, depth int) *node {
	n := &node{pid: p.PID, start: start, draft: p, rooted: true}
	n.observed(p)
	p.StartTime = e.bootTime + start
	if c := e.containers.ofProcess(p.PID); c != nil {
		n.container = c
	}
	parent := e.ancestor(p.PPID, 0, depth+1)
	if e.scanning && n.container != nil && n.container.users.names.Load() == nil {
		e.nameUser(n, p)
		n.container.users.settle(scanWait)
	}
	e.nameUser(n, p)
	e.inherit(n, parent)
	e.add(n)
	return n
}

// inherit gives n its ancestry: the parent as it is now, and the parent's own.
func (e *Enricher) inherit(n, parent *node) {
	if parent == nil || parent == n {
		return
	}
	if parent.pub == nil {
		e.publish(parent)
	}
	n.parent = &parent.pub.self
	n.ancestors = lineage(n.parent, parent.ancestors, e.opts.MaxAncestors)
}

func lineage(parent *event.Process, up []*event.Process, limit int) []*event.Process {
	k := min(len(up), limit-1)
	out := make([]*event.Process, 0, k+1)
	return append(append(out, parent), up[:k]...)
}

// fork adds the child of a fork. A new thread of the same process needs nothing.
func (e *Enricher) fork(parent *node, ev *event.Event) {
	pid, tid := uint32(ev.Uint(args.childPID)), uint32(ev.Uint(args.childTID))
	if pid == 0 || pid != tid {
		return
	}
	start := ev.Uint(args.childStart)
	if n := e.procs[pid]; n != nil && n.is(start) && !n.gone {
		return // found in /proc, or its own events were faster
	}
	if parent.pub == nil {
		e.publish(parent)
	}
	p := parent.current()
	p.PID, p.PPID, p.StartTime = pid, parent.pid, e.bootTime+start
	n := &node{
		pid: pid, start: start, exact: true, comm: parent.comm, uid: parent.uid, euid: parent.euid, caps: parent.caps, draft: &p,
		names: parent.names, nameless: parent.nameless, located: parent.located, cgroup: parent.cgroup, container: parent.container,
	}
	e.inherit(n, parent)
	e.add(n)
}

// exec replaces the program of a process.
func (e *Enricher) exec(n *node, ev *event.Event) {
	p := n.current()
	n.execs++
	p.Comm = strings.Clone(ev.CommString())
	n.comm = ev.Comm
	if ev.Has(args.pathname) {
		p.Executable = strings.Clone(ev.Str(args.pathname))
	}
	if ev.Has(args.argv) {
		p.Args = nil
		var more bool
		left := argsMax
		for _, s := range ev.StrList(args.argv) {
			if p.Args, more = appendArg(p.Args, strings.Clone(s), &left); !more {
				break
			}
		}
	}
	if ev.Has(args.pwd) {
		p.Cwd = strings.Clone(ev.Str(args.pwd))
	}
	if n.container != nil && n.names == nil {
		n.container.users.asked = 0 // before its first exec a container is not in its own root yet
		e.nameUser(n, &p)
	}
	n.set(&p)
	if ev.CgroupID <= rootCgroup {
		n.located = false // its cgroup's id says nothing: look again
	}
}

// exit marks a process that ended. It is kept a while: events of other CPUs may arrive late.
func (e *Enricher) exit(n *node, ev *event.Event) {
	if ev.Uint(args.processExit) == 0 || n.gone {
		return
	}
	n.gone = true
	e.exited.push(exit{pid: n.pid, start: n.start, at: e.now})
	e.expire()
}

// expire drops what ended long enough ago.
func (e *Enricher) expire() {
	keep := uint64(e.opts.KeepExited)
	for {
		x, ok := e.exited.peek()
		if !ok || x.at+keep > e.now {
			return
		}
		e.exited.pop()
		e.drop(x)
	}
}

func (e *Enricher) drop(x exit) bool {
	n := e.procs[x.pid]
	if n == nil || !n.gone || n.start != x.start {
		return false // the pid is in use again
	}
	delete(e.procs, x.pid)
	e.processes.Store(int64(len(e.procs)))
	return true
}

func (e *Enricher) add(n *node) {
	for len(e.procs) >= e.opts.MaxProcesses && e.procs[n.pid] == nil {
		e.evict()
	}
	e.procs[n.pid] = n
	e.processes.Store(int64(len(e.procs)))
}

// evict makes room: the process that ended longest ago, else any.
func (e *Enricher) evict() {
	e.evicted.Add(1)
	for {
		x, ok := e.exited.peek()
		if !ok {
			break
		}
		e.exited.pop()
		if e.drop(x) {
			return
		}
	}
	for pid := range e.procs {
		delete(e.procs, pid)
		return
	}
}

// locate finds the container that a process is in, when it is new or has changed its control group.
func (e *Enricher) locate(n *node, ev *event.Event) {
	c := e.containers.of(ev)
	n.located, n.cgroup = true, ev.CgroupID
	if c == nil && ev.Flags&event.FlagContainer != 0 && n.tries < locateTries {
		n.tries++ // the kernel half says that there is one: ask again at the next event
		n.located = false
	}
	if c == n.container {
		return
	}
	p := n.current()
	n.container = c
	e.nameUser(n, &p)
	n.set(&p)
}

// scanWait bounds how long the scan waits for the user database of one process's container.
const scanWait = 20 * time.Millisecond

// scan adds every process that runs now, parents first.
func (e *Enricher) scan() {
	e.scanning = true
	defer func() { e.scanning = false }()
	for _, pid := range e.proc.pids() {
		if len(e.procs) >= e.opts.MaxProcesses {
			return
		}
		if e.procs[pid] != nil {
			continue
		}
		if p, start, ok := e.proc.read(pid); ok {
			e.found(p, start, 0)
		}
	}
}

// observed sets what events are compared with.
func (n *node) observed(p *event.Process) {
	clear(n.comm[:])
	copy(n.comm[:15], p.Comm)
	n.uid, n.euid, n.caps = p.UID, p.EUID, p.CapEff
}

// exit is one ended process that is still in the table.
type exit struct {
	pid   uint32
	start uint64
	at    uint64 // wall clock, ns
}

// queue is a first-in-first-out list that reuses its memory.
type queue struct {
	items []exit
	head  int
}

func (q *queue) push(x exit) {
	if q.head > len(q.items)/2 && len(q.items) == cap(q.items) {
		q.items = slices.Delete(q.items, 0, q.head)
		q.head = 0
	}
	q.items = append(q.items, x)
}

func (q *queue) peek() (exit, bool) {
	if q.head == len(q.items) {
		return exit{}, false
	}
	return q.items[q.head], true
}

func (q *queue) pop() {
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}
