package enrich

import (
	"github.com/tocsin-io/tocsin/event"
)

// nameWait bounds how long, in ns, the event of a new container waits for the runtime to tell names.
const nameWait = 2_000_000_000

// pending is the event of a new or existing container that waits for names.
type pending struct {
	def       *event.Def
	container *container
	header    event.Header // of the event that told of the container
	process   *event.Process
	since     uint64 // wall clock, ns
	ctime     uint64 // of the container, wall clock, ns
}

// derived queues the event about a container that the present event is about.
func (e *Enricher) derived(def *event.Def, c *container, ev *event.Event) {
	if e.opts.Derive == nil || c == nil {
		return
	}
	if def == defs.remove {
		e.emit(c) // its start comes before its end
	} else if c.told {
		return // found by the scan, and made after the sensor was attached
	}
	c.told = true
	p := pending{def: def, container: c, since: e.now, ctime: e.now}
	if ev != nil {
		p.header = *ev.Header
		if n := e.procs[ev.HostPID]; n != nil && n.pub != nil {
			p.process = &n.pub.full
		}
	} else {
		p.header.Timestamp, p.header.Syscall = e.now, -1
		if c.made != 0 {
			p.ctime = c.made
		}
	}
	e.pending = append(e.pending, p)
}

// emit hands out the events that have waited long enough, and all that are about gone.
func (e *Enricher) emit(gone *container) {
	rest := e.pending[:0]
	for _, p := range e.pending {
		if e.opts.Resolve != nil && p.def != defs.remove && p.container != gone && !p.container.resolved.Load() && e.now < p.since+nameWait {
			rest = append(rest, p)
			continue
		}
		e.opts.Derive(p.event())
	}
	clear(e.pending[len(rest):])
	e.pending = rest
}

var defs = struct{ create, remove, existing, connect *event.Def }{
	event.ByName("container_create"), event.ByName("container_remove"), event.ByName("existing_container"), event.ByName("net_tcp_connect"),
}

func (p *pending) event() *event.Event {
	b := event.New(p.def)
	h := b.Header()
	id, argc := h.ID, h.Argc
	*h = p.header
	h.ID, h.Argc, h.Present, h.User, h.Count = id, argc, 0, 0, 0
	m := p.container.meta.Load()
	c, k := m.container, m.kubernetes
	if k == nil {
		k = &event.Kubernetes{}
	}
	for name, value := range map[string]any{
		"runtime": c.Runtime, "container_id": c.ID, "ctime": p.ctime, "container_image": c.Image, "container_name": c.Name, "pod_name": k.PodName,
		"pod_namespace": k.PodNamespace, "pod_uid": k.PodUID, "container_image_digest": c.ImageDigest, "pod_sandbox": k.PodSandbox,
	} {
		if i := p.def.Arg(name); i >= 0 {
			if err := b.SetIndex(i, value); err != nil {
				panic(err) // the catalogue and this function disagree
			}
		}
	}
	ev := b.Event()
	ev.Process, ev.Container, ev.Kubernetes = p.process, m.container, m.kubernetes
	return ev
}
