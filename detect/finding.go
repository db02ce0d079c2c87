package detect

import (
	"bytes"
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
	decoded map[string]any
	key     []byte // of a limit; kept from event to event
	readers map[reader]func(*native.Scratch, *event.Event) (string, bool)
	native  native.Scratch
}

func (s *scratch) reset() {
	s.doc, s.decoded = nil, nil
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
		s.doc = ev.AppendRedactedJSON(make([]byte, 0, 2048))
	}
	return s.doc
}

// finding makes a finding of a match. held is how many earlier matches the rate limit held back.
func (e *Engine) finding(r *rule, ev *event.Event, m *Match, held uint64) *finding.Finding {
	doc := e.scratch.document(ev)
	f := e.about(r, ev)
	f.ID = finding.NewID(f.Host, r.meta.ID, f.Time, doc)
	f.Rule = r.travels
	f.Severity = r.meta.Severity
	f.Attack = r.meta.Attack
	f.Count = max(uint64(ev.Count), 1) + held
	f.Event = doc
	f.Data = m.Data
	f.Message = m.Message
	if f.Message == "" {
		f.Message = message(r.meta.Name, f, ev)
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
	f.Process = process(ev)
	if c := ev.Container; c != nil {
		f.Container = &finding.Container{ID: c.ID, Name: c.Name, Image: c.Image, ImageDigest: c.ImageDigest, Runtime: c.Runtime}
	}
	if k := ev.Kubernetes; k != nil {
		f.Kubernetes = &finding.Kubernetes{PodName: k.PodName, Namespace: k.PodNamespace, PodUID: k.PodUID, Labels: k.Labels}
	}
	return f
}

func process(ev *event.Event) *finding.Process {
	p := &finding.Process{PID: ev.HostPID, TID: ev.HostTID, PPID: ev.HostPPID, Name: strings.Clone(ev.CommString()), UID: ev.UID, EUID: ev.EUID}
	p.Capabilities = event.Capabilities(ev.CapEff)
	known := ev.Process
	if known == nil {
		return p
	}
	p.ExecID, p.Executable, p.Args, p.Cwd, p.EUID = known.ExecID, known.Executable, known.Args, known.Cwd, known.EUID
	if known.UID == ev.UID { // a thread may have become somebody else
		p.User = known.User
	}
	p.StartTime, p.ContainerID = wallClock(known.StartTime), known.ContainerID
	if len(known.Ancestors) > 0 {
		p.Ancestors = make([]finding.Process, len(known.Ancestors))
		for i, a := range known.Ancestors {
			p.Ancestors[i] = finding.Process{
				ExecID: a.ExecID, PID: a.PID, PPID: a.PPID, StartTime: wallClock(a.StartTime), Name: a.Comm, Executable: a.Executable, Args: a.Args,
				Cwd: a.Cwd, UID: a.UID, EUID: a.EUID, User: a.User, ContainerID: a.ContainerID,
			}
		}
	}
	return p
}

func wallClock(ns uint64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, int64(ns)).UTC()
	return &t
}

// message is the line that people read first.
func message(name string, f *finding.Finding, ev *event.Event) string {
	var b strings.Builder
	b.WriteString(name)
	b.WriteString(": ")
	if f.Process.Executable != "" {
		b.WriteString(f.Process.Executable)
	} else {
		b.WriteString(f.Process.Name)
	}
	b.WriteString(" (pid ")
	b.WriteString(strconv.FormatUint(uint64(f.Process.PID), 10))
	b.WriteByte(')')
	if t := telling(ev); t != "" {
		b.WriteString(" → " + t)
	}
	switch {
	case f.Kubernetes != nil && f.Kubernetes.PodName != "":
		b.WriteString(" in pod " + f.Kubernetes.Namespace + "/" + f.Kubernetes.PodName)
	case f.Container != nil && f.Container.Name != "":
		b.WriteString(" in container " + f.Container.Name)
	case f.Container != nil:
		b.WriteString(" in container " + f.Container.ID[:min(12, len(f.Container.ID))])
	default:
		b.WriteString(" on " + f.Host)
	}
	return b.String()
}

// tellingArgs are the arguments that say most of what an event is about, best first.
var tellingArgs = []string{
	"pathname", "file_path", "new_path", "linkpath", "path", "mountpoint", "remote_addr", "local_addr", "addr", "dst", "file_name",
	"name", "symbol_name", "symbol", "syscall", "request", "cmd", "cap", "option",
}

// maxTelling bounds what a message shows of an argument, in bytes.
const maxTelling = 160

// telling is the argument to show in a message.
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
		default:
			t = ev.ArgText(i)
		}
		if t = strings.ToValidUTF8(t, "\uFFFD"); t != "" {
			if len(t) > maxTelling {
				t = strings.ToValidUTF8(t[:maxTelling], "") + "…"
			}
			return strings.Clone(t)
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
	f.ID = finding.NewID(f.Host, RuleErrorID+":"+r.meta.ID, f.Time, f.Event)
	f.SetFingerprint()
	e.opts.Sink(f)
}
