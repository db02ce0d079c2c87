package finding

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the finding as Marshal writes it, in a tenth of the time that encoding/json takes, which this is held equal to.
// Event and Data must be JSON.
func (f *Finding) AppendJSON(dst []byte) ([]byte, error) {
	w := writer{b: append(dst, '{')}
	w.text("id", f.ID)
	w.time("time", &f.Time)
	w.optional("cluster", f.Cluster)
	w.text("host", f.Host)
	w.text("origin", f.Origin)
	w.text("source", f.Source)
	w.key("rule")
	w.rule(&f.Rule)
	if _, err := f.Severity.MarshalText(); err != nil {
		w.err = err
	}
	w.text("severity", f.Severity.String())
	if len(f.Attack) > 0 {
		w.key("attack")
		appendList(&w, f.Attack, (*writer).attack)
	}
	w.text("fingerprint", f.Fingerprint)
	if f.Count != 0 {
		w.number("count", f.Count)
	}
	if f.Process != nil {
		w.key("process")
		w.process(f.Process)
	}
	if c := f.Container; c != nil {
		w.key("container")
		w.open()
		w.text("id", c.ID)
		w.optional("name", c.Name)
		w.optional("image", c.Image)
		w.optional("imageDigest", c.ImageDigest)
		w.optional("runtime", c.Runtime)
		w.close()
	}
	if k := f.Kubernetes; k != nil {
		w.key("kubernetes")
		w.open()
		w.optional("podName", k.PodName)
		w.optional("namespace", k.Namespace)
		w.optional("podUID", k.PodUID)
		if len(k.Labels) > 0 {
			w.key("labels")
			w.open()
			for _, name := range slices.Sorted(maps.Keys(k.Labels)) {
				w.text(name, k.Labels[name])
			}
			w.close()
		}
		w.close()
	}
	w.raw("event", f.Event)
	w.raw("data", f.Data)
	w.optional("message", f.Message)
	w.close()
	return w.b, w.err
}

// MarshalSingle writes the notification of a single finding as Marshal does. body is the finding's JSON.
func MarshalSingle(n *Notification, body []byte) ([]byte, error) {
	w := writer{b: append(make([]byte, 0, len(body)+384), '{')}
	w.text("id", n.ID)
	w.text("kind", string(n.Kind))
	w.text("output", n.Output)
	w.text("route", n.Route)
	w.time("time", &n.Time)
	w.key("findings")
	w.b = append(append(append(w.b, '['), body...), ']')
	w.close()
	return w.b, w.err
}

// writer appends JSON, and keeps the first error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

func (w *writer) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *writer) key(name string) {
	w.comma()
	w.string(name)
	w.b = append(w.b, ':')
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.string(value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) number(name string, n uint64) {
	w.key(name)
	w.b = strconv.AppendUint(w.b, n, 10)
}

func (w *writer) texts(name string, list []string) {
	if len(list) > 0 {
		w.key(name)
		appendList(w, list, func(w *writer, s *string) { w.string(*s) })
	}
}

func (w *writer) time(name string, t *time.Time) {
	w.key(name)
	if _, zone := t.Zone(); zone != 0 || t.Year() < 0 || t.Year() > 9999 { // rules of its own
		w.value(t)
		return
	}
	w.b = append(t.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
}

// raw writes what is JSON already. A line break can only stand between its parts.
func (w *writer) raw(name string, value json.RawMessage) {
	if len(value) == 0 {
		return
	}
	w.key(name)
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		w.b = append(w.b, value...)
		return
	}
	w.value(value)
}

// value writes anything.
func (w *writer) value(x any) {
	b, err := Marshal(x)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = append(w.b, b...)
}

// string writes a text. One in which something is escaped is left to encoding/json.
func (w *writer) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			w.value(s)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func appendList[T any](w *writer, list []T, element func(*writer, *T)) {
	w.b = append(w.b, '[')
	for i := range list {
		w.comma()
		element(w, &list[i])
	}
	w.b = append(w.b, ']')
}

func (w *writer) rule(r *Rule) {
	w.open()
	w.text("id", r.ID)
	w.text("name", r.Name)
	w.optional("version", r.Version)
	w.optional("description", r.Description)
	w.texts("tags", r.Tags)
	w.texts("references", r.References)
	w.texts("falsePositives", r.FalsePositives)
	w.optional("response", r.Response)
	if len(r.Properties) > 0 {
		w.key("properties")
		w.open()
		for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
			w.key(name)
			if s, ok := r.Properties[name].(string); ok {
				w.string(s)
			} else {
				w.value(r.Properties[name])
			}
		}
		w.close()
	}
	w.close()
}

func (w *writer) attack(a *Attack) {
	w.open()
	if a.Tactic != (Ref{}) {
		w.ref("tactic", &a.Tactic)
	}
	if a.Technique != (Ref{}) {
		w.ref("technique", &a.Technique)
	}
	if a.SubTechnique != nil {
		w.ref("subTechnique", a.SubTechnique)
	}
	w.close()
}

func (w *writer) ref(name string, r *Ref) {
	w.key(name)
	w.open()
	w.text("id", r.ID)
	w.text("name", r.Name)
	w.close()
}

func (w *writer) process(p *Process) {
	w.open()
	w.optional("execId", p.ExecID)
	w.number("pid", uint64(p.PID))
	if p.TID != 0 {
		w.number("tid", uint64(p.TID))
	}
	if p.PPID != 0 {
		w.number("ppid", uint64(p.PPID))
	}
	if p.StartTime != nil {
		w.time("startTime", p.StartTime)
	}
	w.text("name", p.Name)
	w.optional("executable", p.Executable)
	w.texts("args", p.Args)
	w.optional("cwd", p.Cwd)
	w.number("uid", uint64(p.UID))
	w.number("euid", uint64(p.EUID))
	w.optional("user", p.User)
	w.texts("capabilities", p.Capabilities)
	w.optional("containerId", p.ContainerID)
	if len(p.Ancestors) > 0 {
		w.key("ancestors")
		appendList(w, p.Ancestors, (*writer).process)
	}
	w.close()
}
