package detect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// scratch holds what several rules need of one event, made when the first of them needs it.
type scratch struct {
	doc     []byte
	seed    []byte // what tells the event from all others of its host
	decoded map[string]any
	key     []byte // of a limit; kept from event to event, like the memory of the next two
	buf     []byte
	message []byte
	readers map[reader]func(*native.Scratch, *event.Event) (string, bool)
	native  native.Scratch
	known   map[*event.Process]*identity
	caps    map[uint64][]string // names of the sets of capabilities that were seen
}

func (s *scratch) reset() {
	s.doc, s.decoded = nil, nil
}

// identity is a process as findings carry it. An event's Process never changes, and who causes a finding often causes the next.
type identity struct {
	process finding.Process
	json    []byte
}

// maxKnown bounds the processes that are remembered: about a megabyte.
const maxKnown = 256

func (s *scratch) identity(p *event.Process) *identity {
	if id := s.known[p]; id != nil {
		return id
	}
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = make(map[*event.Process]*identity, maxKnown)
	}
	id := &identity{json: event.AppendProcess(nil, p), process: processOf(p)}
	if len(p.Ancestors) > 0 {
		id.process.Ancestors = make([]finding.Process, len(p.Ancestors))
		for i, a := range p.Ancestors {
			id.process.Ancestors[i] = processOf(a)
		}
	}
	s.known[p] = id
	return id
}

func (s *scratch) capabilities(set uint64) []string {
	names, ok := s.caps[set]
	if !ok {
		if s.caps == nil || len(s.caps) >= maxKnown {
			s.caps = map[uint64][]string{}
		}
		names = event.Capabilities(set)
		s.caps[set] = names
	}
	return names
}

func processOf(p *event.Process) finding.Process {
	return finding.Process{
		ExecID: p.ExecID, PID: p.PID, PPID: p.PPID, StartTime: wallClock(p.StartTime), Name: p.Comm, Executable: p.Executable, Args: p.Args,
		Cwd: p.Cwd, UID: p.UID, EUID: p.EUID, User: p.User, ContainerID: p.ContainerID,
	}
}

// object returns the whole document, decoded.
func (s *scratch) object(ev *event.Event) map[string]any {
	if s.decoded == nil {
		dec := json.NewDecoder(bytes.NewReader(ev.AppendJSON(nil)))
		dec.UseNumber()
		if dec.Decode(&s.decoded) != nil || s.decoded == nil { // an event's own JSON always decodes
			s.decoded = map[string]any{}
		}
	}
	return s.decoded
}

// document returns the event's JSON as it may leave the host: without the values of environments. Findings share it, so
// it is not reused.
func (s *scratch) document(ev *event.Event) []byte {
	if s.doc == nil {
		var process []byte
		if ev.Process != nil {
			process = s.identity(ev.Process).json
		}
		doc, args := ev.AppendRedactedParts(s.buf[:0], process)
		s.buf, s.doc = doc, bytes.Clone(doc)
		seed := append(s.seed[:0], ev.Def.Name...)
		for _, v := range []uint64{ev.Timestamp, uint64(ev.HostTID), uint64(ev.CPU), uint64(ev.Return)} {
			seed = binary.BigEndian.AppendUint64(seed, v)
		}
		s.seed = append(seed, doc[args:]...)
	}
	return s.doc
}

// finding makes a finding of a match. held is how many earlier matches the rate limit held back.
func (e *Engine) finding(r *rule, ev *event.Event, m *Match, held uint64) *finding.Finding {
	doc := e.scratch.document(ev)
	f := e.about(r, ev)
	f.ID = finding.NewID(f.Host, r.meta.ID, f.Time, e.scratch.seed)
	f.Rule = r.travels
	f.Severity = r.meta.Severity
	f.Attack = r.meta.Attack
	f.Count = max(uint64(ev.Count), 1) + held
	f.Event = doc
	f.Data = m.Data
	f.Message = m.Message
	if f.Message == "" {
		e.scratch.message = appendMessage(e.scratch.message[:0], r.meta.Name, f, ev)
		f.Message = string(e.scratch.message)
	}
	f.SetFingerprint()
	return f
}

// about fills in what a finding says of where the event happened.
func (e *Engine) about(r *rule, ev *event.Event) *finding.Finding {
	f := &finding.Finding{
		Time: time.Unix(0, int64(ev.Timestamp)).UTC(), Cluster: e.opts.Cluster, Host: e.opts.Host, Origin: ev.Origin().String(), Source: "tocsin",
	}
	if f.Host == "" {
		f.Host = strings.Clone(ev.HostName())
	}
	f.Process = e.scratch.process(ev)
	if c := ev.Container; c != nil {
		f.Container = &finding.Container{ID: c.ID, Name: c.Name, Image: c.Image, ImageDigest: c.ImageDigest, Runtime: c.Runtime}
	}
	if k := ev.Kubernetes; k != nil {
		f.Kubernetes = &finding.Kubernetes{PodName: k.PodName, Namespace: k.PodNamespace, PodUID: k.PodUID, Labels: k.Labels}
	}
	return f
}

// process is the one that the event happened in: what the event itself says of it, and what else is known.
func (s *scratch) process(ev *event.Event) *finding.Process {
	p := &finding.Process{}
	if ev.Process != nil {
		*p = s.identity(ev.Process).process
		if p.UID != ev.UID { // a thread may have become somebody else
			p.User = ""
		}
	} else {
		p.EUID = ev.EUID
	}
	p.PID, p.TID, p.PPID, p.UID = ev.HostPID, ev.HostTID, ev.HostPPID, ev.UID
	if name := ev.CommString(); p.Name != name {
		p.Name = strings.Clone(name)
	}
	p.Capabilities = s.capabilities(ev.CapEff)
	return p
}

func wallClock(ns uint64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, int64(ns)).UTC()
	return &t
}

// appendMessage appends the line that people read first.
func appendMessage(b []byte, name string, f *finding.Finding, ev *event.Event) []byte {
	b = append(append(b, name...), ": "...)
	if f.Process.Executable != "" {
		b = append(b, f.Process.Executable...)
	} else {
		b = append(b, f.Process.Name...)
	}
	b = strconv.AppendUint(append(b, " (pid "...), uint64(f.Process.PID), 10)
	b = append(b, ')')
	if t := telling(ev); t != "" {
		b = append(append(b, " → "...), t...)
	}
	switch {
	case f.Kubernetes != nil && f.Kubernetes.PodName != "":
		b = append(append(append(append(b, " in pod "...), f.Kubernetes.Namespace...), '/'), f.Kubernetes.PodName...)
	case f.Container != nil && f.Container.Name != "":
		b = append(append(b, " in container "...), f.Container.Name...)
	case f.Container != nil:
		b = append(append(b, " in container "...), f.Container.ID[:min(12, len(f.Container.ID))]...)
	default:
		b = append(append(b, " on "...), f.Host...)
	}
	return b
}

// tellingArgs are the arguments that say most of what an event is about, best first.
var tellingArgs = []string{
	"pathname", "file_path", "new_path", "linkpath", "path", "mountpoint", "remote_addr", "local_addr", "addr", "dst", "file_name",
	"name", "symbol_name", "symbol", "syscall", "request", "cmd", "cap", "option",
}

// maxTelling bounds what a message shows of an argument, in bytes.
const maxTelling = 160

// telling is the argument to show in a message. It is valid as long as the event.
func telling(ev *event.Event) string {
	for _, name := range tellingArgs {
		i := ev.Arg(name)
		if i < 0 || !ev.Has(i) {
			continue
		}
		t := ""
		switch a := &ev.Def.Args[i]; a.Kind {
		case event.KindSockaddr:
			sa := ev.Sockaddr(i)
			switch {
			case sa.Path != "":
				t = sa.Path
			case sa.Addr.IsValid():
				t = netip.AddrPortFrom(sa.Addr, sa.Port).String()
			}
		case event.KindJSON: // a document that the catalogue does not describe
			var s string
			if json.Unmarshal(ev.Bytes(i), &s) == nil {
				t = s
			}
		case event.KindString:
			t = ev.Str(i)
		default:
			t = ev.ArgText(i)
		}
		if t = strings.ToValidUTF8(t, "\uFFFD"); t != "" {
			if len(t) > maxTelling {
				t = strings.ToValidUTF8(t[:maxTelling], "") + "…"
			}
			return t
		}
	}
	return ""
}

// RuleErrorID is the rule id of the findings that tell of a rule's own errors.
const RuleErrorID = "tocsin_rule_error"

// reportEvery bounds how often the errors of one rule become a finding.
const reportEvery = time.Minute

// reportError makes a finding of a rule's error, at most one a minute for each rule, with the count of the others.
func (e *Engine) reportError(r *rule, ev *event.Event, err error, now time.Time) {
	s := r.state
	s.failed++
	if !s.reported.IsZero() && now.Sub(s.reported) < reportEvery {
		return
	}
	f := e.about(r, ev)
	f.Count, s.failed, s.reported = s.failed, 0, now
	f.Rule = finding.Rule{
		ID: RuleErrorID, Name: "Rule error", Description: "A rule could not be evaluated. Until it is mended it may miss what it is for.",
		Response: "Run tocsin rules check, and mend the rule named in the data.",
	}
	f.Severity = finding.Medium
	f.Event = e.scratch.document(ev)
	f.Message = "rule " + r.meta.ID + ": " + err.Error()
	data, _ := json.Marshal(map[string]string{"rule": r.meta.ID, "file": r.meta.File, "error": err.Error()}) // strings always marshal
	f.Data = data
	f.ID = finding.NewID(f.Host, RuleErrorID+":"+r.meta.ID, f.Time, e.scratch.seed)
	f.SetFingerprint()
	e.opts.Sink(f)
}
