package detect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// Hit is a match that is to be a finding. It is valid during the call of the sink, as its event is.
type Hit struct {
	about   *subject
	reports *reporter
	serial  uint64 // of the event, in its engine
	event   *event.Event
	data    []byte
	message string
	count   uint64
}

// Finding makes the finding, which may be kept.
func (h Hit) Finding() *finding.Finding { return h.reports.finding(h) }

// Held is a hit that another goroutine makes a finding of: to make it costs several times what finding it does. The zero value is
// ready for Hold.
type Held struct {
	Hit
	event  event.Event
	record []byte
	copied []byte
}

// Hold makes h a copy of hit, in the memory of the one before, whose Finding was called or is not wanted.
func (h *Held) Hold(hit Hit) {
	h.record = hit.event.CopyTo(&h.event, h.record)
	h.copied = append(h.copied[:0], hit.data...)
	h.Hit = hit
	h.Hit.event, h.Hit.data = &h.event, h.copied
}

// subject is what all findings of a rule have in common.
type subject struct {
	key      string // stands for it in the ids of findings
	rule     finding.Rule
	severity finding.Severity
	attack   []finding.Attack
}

func subjectOf(m *Metadata) *subject {
	return &subject{key: m.ID, severity: m.Severity, attack: m.Attack, rule: finding.Rule{
		ID: m.ID, Name: m.Name, Version: m.Version, Description: m.Description, Tags: m.Tags, References: m.References,
		FalsePositives: m.FalsePositives, Response: m.Response, Properties: m.Properties,
	}}
}

// reporter makes findings of hits, and keeps what several of them need.
type reporter struct {
	host, cluster string

	mu      sync.Mutex
	last    uint64 // serial of the event of which doc and seed are
	doc     []byte
	seed    []byte // what tells the event from all others of its host
	buf     []byte
	message []byte
	known   map[*event.Process]*identity
	caps    map[uint64][]string // names of the sets of capabilities that were seen
}

// identity is a process as findings carry it. An event's Process never changes, and who causes a finding often causes the next.
type identity struct {
	process finding.Process
	json    []byte
}

// maxKnown bounds the processes that are remembered: about a megabyte.
const maxKnown = 256

func (r *reporter) identity(p *event.Process) *identity {
	if id := r.known[p]; id != nil {
		return id
	}
	if r.known == nil || len(r.known) >= maxKnown {
		r.known = make(map[*event.Process]*identity, maxKnown)
	}
	id := &identity{json: event.AppendProcess(nil, p), process: processOf(p)}
	if len(p.Ancestors) > 0 {
		id.process.Ancestors = make([]finding.Process, len(p.Ancestors))
		for i, a := range p.Ancestors {
			id.process.Ancestors[i] = processOf(a)
		}
	}
	r.known[p] = id
	return id
}

func (r *reporter) capabilities(set uint64) []string {
	names, ok := r.caps[set]
	if !ok {
		if r.caps == nil || len(r.caps) >= maxKnown {
			r.caps = map[uint64][]string{}
		}
		names = event.Capabilities(set)
		r.caps[set] = names
	}
	return names
}

func processOf(p *event.Process) finding.Process {
	return finding.Process{
		ExecID: p.ExecID, PID: p.PID, PPID: p.PPID, StartTime: wallClock(p.StartTime), Name: p.Comm, Executable: p.Executable, Args: p.Args,
		Cwd: p.Cwd, UID: p.UID, EUID: p.EUID, User: p.User, ContainerID: p.ContainerID,
	}
}

// document returns the event's JSON as it may leave the host: without the values of environments. Findings share it, so
// it is not reused.
func (r *reporter) document(h Hit) []byte {
	if r.last == h.serial {
		return r.doc
	}
	ev := h.event
	var process []byte
	if ev.Process != nil {
		process = r.identity(ev.Process).json
	}
	doc, args := ev.AppendRedactedParts(r.buf[:0], process)
	r.last, r.buf, r.doc = h.serial, doc, bytes.Clone(doc)
	seed := append(r.seed[:0], ev.Def.Name...)
	for _, v := range []uint64{ev.Timestamp, uint64(ev.HostTID), uint64(ev.CPU), uint64(ev.Return)} {
		seed = binary.BigEndian.AppendUint64(seed, v)
	}
	r.seed = append(seed, doc[args:]...)
	return r.doc
}

func (r *reporter) finding(h Hit) *finding.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	ev := h.event
	f := &finding.Finding{
		Time: time.Unix(0, int64(ev.Timestamp)).UTC(), Cluster: r.cluster, Host: r.host, Origin: ev.Origin().String(), Source: "tocsin",
		Rule: h.about.rule, Severity: h.about.severity, Attack: h.about.attack, Count: h.count,
		Event: r.document(h), Message: h.message, Process: r.process(ev),
	}
	if len(h.data) > 0 {
		f.Data = bytes.Clone(h.data)
	}
	if f.Host == "" {
		f.Host = strings.Clone(ev.HostName())
	}
	if c := ev.Container; c != nil {
		f.Container = &finding.Container{ID: c.ID, Name: c.Name, Image: c.Image, ImageDigest: c.ImageDigest, Runtime: c.Runtime}
	}
	if k := ev.Kubernetes; k != nil {
		f.Kubernetes = &finding.Kubernetes{PodName: k.PodName, Namespace: k.PodNamespace, PodUID: k.PodUID, Labels: k.Labels}
	}
	if f.Message == "" {
		r.message = appendMessage(r.message[:0], f, ev)
		f.Message = string(r.message)
	}
	f.ID = finding.NewID(f.Host, h.about.key, f.Time, r.seed)
	f.SetFingerprint()
	return f
}

// process is the one that the event happened in: what the event itself says of it, and what else is known.
func (r *reporter) process(ev *event.Event) *finding.Process {
	p := &finding.Process{}
	if ev.Process != nil {
		*p = r.identity(ev.Process).process
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
	p.Capabilities = r.capabilities(ev.CapEff)
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
func appendMessage(b []byte, f *finding.Finding, ev *event.Event) []byte {
	b = append(append(b, f.Rule.Name...), ": "...)
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
	data, _ := json.Marshal(map[string]string{"rule": r.meta.ID, "file": r.meta.File, "error": err.Error()}) // strings always marshal
	about := &subject{key: RuleErrorID + ":" + r.meta.ID, severity: finding.Medium, rule: finding.Rule{
		ID: RuleErrorID, Name: "Rule error", Description: "A rule could not be evaluated. Until it is mended it may miss what it is for.",
		Response: "Run tocsin rules check, and mend the rule named in the data.",
	}}
	e.opts.Sink(e.hit(about, ev, &Match{Data: data, Message: "rule " + r.meta.ID + ": " + err.Error()}, s.failed))
	s.failed, s.reported = 0, now
}
