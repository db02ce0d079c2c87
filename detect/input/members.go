package input

import (
	"strconv"

	"github.com/tocsin-io/tocsin/detect/value"
	"github.com/tocsin-io/tocsin/event"
)

const memberCount = 41

// members are those that a document may have, in the order of their names. What returns nil is absent.
var members = [memberCount]struct {
	name string
	of   func(l *Lazy, a *value.Arena, e *event.Event) *value.Value
}{
	{"args", func(l *Lazy, _ *value.Arena, _ *event.Event) *value.Value { return l.Args() }},
	{"argsNum", func(l *Lazy, a *value.Arena, _ *event.Event) *value.Value { return a.Int(int64(len(l.has))) }},
	{"cgroupId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.CgroupID) }},
	{"compat", func(_ *Lazy, _ *value.Arena, e *event.Event) *value.Value {
		if e.Flags&event.FlagCompat == 0 {
			return nil
		}
		return value.Truth(true)
	}},
	{"container", func(l *Lazy, a *value.Arena, e *event.Event) *value.Value {
		if e.Container == nil {
			return a.Empty(value.Object)
		}
		return l.marshalled(e.Container)
	}},
	{"containerId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(event.ContainerOf(e).ID) }},
	{"containerImage", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value {
		return a.String(event.ContainerOf(e).Image)
	}},
	{"containerName", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(event.ContainerOf(e).Name) }},
	{"contextFlags", func(l *Lazy, _ *value.Arena, e *event.Event) *value.Value {
		return l.object(startedKey, value.Truth(e.Origin() == event.OriginContainer))
	}},
	{"count", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value {
		if e.Count < 2 {
			return nil
		}
		return a.Uint(uint64(e.Count))
	}},
	{"effectiveCapabilities", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.CapEff) }},
	{"effectiveUserId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.EUID)) }},
	{"eventId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(strconv.Itoa(int(e.ID))) }},
	{"eventName", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(e.Def.Name) }},
	{"executable", func(l *Lazy, a *value.Arena, e *event.Event) *value.Value {
		return l.object(pathKey, a.String(event.ProcessOf(e).Executable))
	}},
	{"hostName", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(e.HostName()) }},
	{"hostParentProcessId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.HostPPID)) }},
	{"hostProcessId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.HostPID)) }},
	{"hostThreadId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.HostTID)) }},
	{"kubernetes", func(l *Lazy, a *value.Arena, e *event.Event) *value.Value {
		if e.Kubernetes == nil {
			return a.Empty(value.Object)
		}
		return l.marshalled(e.Kubernetes)
	}},
	{"leaderStartTime", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.LeaderStart) }},
	{"loginUserId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.LoginUID)) }},
	{"mountNamespace", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.MntNS)) }},
	{"origin", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(e.Origin().String()) }},
	{"parentProcessId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.PPID)) }},
	{"parentStartTime", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.ParentStart) }},
	{"pidNamespace", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.PidNS)) }},
	{"podName", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(event.PodOf(e).PodName) }},
	{"podNamespace", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value {
		return a.String(event.PodOf(e).PodNamespace)
	}},
	{"podUID", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(event.PodOf(e).PodUID) }},
	{"process", func(l *Lazy, _ *value.Arena, e *event.Event) *value.Value { return l.process(e.Process) }},
	{"processId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.PID)) }},
	{"processName", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.String(e.CommString()) }},
	{"processorId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.CPU)) }},
	{"returnValue", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Int(e.Return) }},
	{"stackAddresses", func(_ *Lazy, _ *value.Arena, _ *event.Event) *value.Value { return value.Nothing() }},
	{"syscall", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value {
		return a.String(event.SyscallName(e.Syscall))
	}},
	{"threadId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.TID)) }},
	{"threadStartTime", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.ThreadStart) }},
	{"timestamp", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(e.Timestamp) }},
	{"userId", func(_ *Lazy, a *value.Arena, e *event.Event) *value.Value { return a.Uint(uint64(e.UID)) }},
}

var (
	memberKeys [memberCount]*value.Value
	places     = map[string]int{}
)

func init() {
	for i, m := range members {
		memberKeys[i] = value.Key(m.name, i+1)
		places[m.name] = i
	}
}

// Names are the members that a document may have.
func Names() []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.name
	}
	return out
}

// Key returns the text with which a member is found soonest, nil when no document has it.
func Key(name string) *value.Value {
	if i, ok := places[name]; ok {
		return memberKeys[i]
	}
	return nil
}
