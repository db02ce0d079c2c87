package finding

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Decode reads a finding's JSON as encoding/json does, in a fraction of the time where it is as AppendJSON writes it. The strings and the
// raw JSON of the finding are parts of body, which must not change any more.
func Decode(body []byte) (Finding, error) {
	var f Finding
	r := reader{b: body, s: unsafe.String(unsafe.SliceData(body), len(body))}
	r.finding(&f)
	if r.space(); r.odd || r.i != len(r.b) {
		f = Finding{}
		err := json.Unmarshal(body, &f)
		return f, err
	}
	return f, nil
}

// maxDepth is how deep JSON may be for a reader; the rest is odd.
const maxDepth = 64

// reader reads JSON of known structs. What it meets and has no simple rule for, be it wrong or only unusual (null, a name that is not
// known or comes twice), is odd, and the whole is left to encoding/json.
type reader struct {
	b     []byte
	s     string // the same
	i     int
	depth int
	odd   bool
}

// stop makes the rest odd, and so ends every loop.
func (r *reader) stop() { r.odd, r.i = true, len(r.b) }

// peek returns the next byte behind white space; 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *reader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\t' || r.b[r.i] == '\r') {
		r.i++
	}
}

func (r *reader) want(c byte) {
	if r.peek() != c {
		r.stop()
		return
	}
	r.i++
}

// list reads what stands between two brackets, separated by commas.
func (r *reader) list(begin, end byte, element func()) {
	if r.want(begin); r.depth == maxDepth {
		r.stop()
	}
	r.depth++
	for first := true; !r.odd; first = false {
		if first && r.peek() == end {
			break
		}
		if element(); r.peek() != ',' {
			break
		}
		r.i++
	}
	r.want(end)
	r.depth--
}

// object calls field for each field; it reads the value.
func (r *reader) object(field func(name string)) {
	r.list('{', '}', func() {
		name := r.text()
		r.want(':')
		if !r.odd {
			field(name)
		}
	})
}

// texts, like all that fills what a name can fill but once, takes a second time for odd.
func (r *reader) texts(to *[]string) {
	elements(r, to, func(s *string) { *s = r.text() })
}

func elements[T any](r *reader, to *[]T, element func(*T)) {
	if *to != nil {
		r.stop()
		return
	}
	*to = []T{}
	r.list('[', ']', func() {
		var x T
		element(&x)
		*to = append(*to, x)
	})
}

func pointer[T any](r *reader, to **T, read func(*T)) {
	if *to != nil {
		r.stop()
		return
	}
	*to = new(T)
	read(*to)
}

// text reads a string.
func (r *reader) text() string {
	start := r.peek()
	if start != '"' {
		r.stop()
		return ""
	}
	from := r.i
	plain := r.skipString()
	if r.odd {
		return ""
	}
	if plain {
		return r.s[from+1 : r.i-1]
	}
	var s string
	if json.Unmarshal(r.b[from:r.i], &s) != nil {
		r.stop()
	}
	return s
}

// skipString moves behind a string, and reports whether it stands for itself: nothing in it is escaped, or more than a byte.
func (r *reader) skipString() (plain bool) {
	plain = true
	for i := r.i + 1; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			r.i = i + 1
			return plain
		case c < ' ':
			r.stop()
			return false
		case c >= utf8.RuneSelf:
			plain = false
		case c == '\\':
			plain = false
			if i++; i == len(r.b) {
				break
			}
			if r.b[i] == 'u' {
				for range 4 {
					if i++; i == len(r.b) || !strings.Contains("0123456789abcdefABCDEF", r.s[i:i+1]) {
						r.stop()
						return false
					}
				}
			} else if !strings.Contains(`"\/bfnrt`, r.s[i:i+1]) {
				r.stop()
				return false
			}
		}
	}
	r.stop()
	return false
}

// number reads an unsigned whole number of at most so many bits.
func (r *reader) number(bits int) (n uint64) {
	r.peek()
	from := r.i
	for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' && r.i-from < 19 {
		n = 10*n + uint64(r.b[r.i]-'0')
		r.i++
	}
	if r.i == from || (r.i-from > 1 && r.b[from] == '0') || n>>bits != 0 {
		r.stop()
	}
	return n // a fraction, or a longer number, is no end of a value
}

// raw returns the JSON of any value.
func (r *reader) raw(to *json.RawMessage) {
	if *to != nil {
		r.stop()
		return
	}
	r.peek()
	from := r.i
	if r.skip(); !r.odd {
		*to = json.RawMessage(r.b[from:r.i:r.i])
	}
}

// skip moves behind any value.
func (r *reader) skip() {
	switch c := r.peek(); {
	case c == '"':
		r.skipString()
	case c == '{':
		r.list('{', '}', func() {
			if r.peek() != '"' {
				r.stop()
				return
			}
			r.skipString()
			r.want(':')
			r.skip()
		})
	case c == '[':
		r.list('[', ']', r.skip)
	default:
		r.skipWord()
	}
}

// skipWord moves behind a number or a literal.
func (r *reader) skipWord() {
	from := r.i
	whole := true
	for ; r.i < len(r.b) && strings.IndexByte(",]} \t\r\n", r.b[r.i]) < 0; r.i++ {
		whole = whole && '0' <= r.b[r.i] && r.b[r.i] <= '9'
	}
	word := r.b[from:r.i]
	if whole && len(word) > 0 && (word[0] != '0' || len(word) == 1) {
		return
	}
	if !json.Valid(word) {
		r.stop()
	}
}

func (r *reader) finding(f *Finding) {
	r.object(func(name string) {
		switch name {
		case "id":
			f.ID = r.text()
		case "time":
			r.time(&f.Time)
		case "cluster":
			f.Cluster = r.text()
		case "host":
			f.Host = r.text()
		case "origin":
			f.Origin = r.text()
		case "source":
			f.Source = r.text()
		case "rule":
			r.rule(&f.Rule)
		case "severity":
			severity, err := ParseSeverity(r.text())
			if err != nil {
				r.stop()
			}
			f.Severity = severity
		case "attack":
			elements(r, &f.Attack, r.attack)
		case "fingerprint":
			f.Fingerprint = r.text()
		case "count":
			f.Count = r.number(64)
		case "process":
			pointer(r, &f.Process, r.process)
		case "container":
			pointer(r, &f.Container, r.container)
		case "kubernetes":
			pointer(r, &f.Kubernetes, r.kubernetes)
		case "event":
			r.raw(&f.Event)
		case "data":
			r.raw(&f.Data)
		case "message":
			f.Message = r.text()
		default:
			r.stop()
		}
	})
}

func (r *reader) time(t *time.Time) {
	null := r.peek() != '"'
	from := r.i
	if r.skip(); null || !r.odd && t.UnmarshalJSON(r.b[from:r.i]) != nil {
		r.stop()
	}
}

// value reads what brings rules of its own.
func (r *reader) value(to any) {
	r.peek()
	from := r.i
	if r.skip(); !r.odd && json.Unmarshal(r.b[from:r.i], to) != nil {
		r.stop()
	}
}

func (r *reader) rule(x *Rule) {
	r.object(func(name string) {
		switch name {
		case "id":
			x.ID = r.text()
		case "name":
			x.Name = r.text()
		case "version":
			x.Version = r.text()
		case "description":
			x.Description = r.text()
		case "tags":
			r.texts(&x.Tags)
		case "references":
			r.texts(&x.References)
		case "falsePositives":
			r.texts(&x.FalsePositives)
		case "response":
			x.Response = r.text()
		case "properties":
			r.value(&x.Properties)
		default:
			r.stop()
		}
	})
}

func (r *reader) attack(x *Attack) {
	r.object(func(name string) {
		switch name {
		case "tactic":
			r.ref(&x.Tactic)
		case "technique":
			r.ref(&x.Technique)
		case "subTechnique":
			pointer(r, &x.SubTechnique, r.ref)
		default:
			r.stop()
		}
	})
}

func (r *reader) ref(x *Ref) {
	r.object(func(name string) {
		switch name {
		case "id":
			x.ID = r.text()
		case "name":
			x.Name = r.text()
		default:
			r.stop()
		}
	})
}

func (r *reader) process(p *Process) {
	r.object(func(name string) {
		switch name {
		case "execId":
			p.ExecID = r.text()
		case "pid":
			p.PID = uint32(r.number(32))
		case "tid":
			p.TID = uint32(r.number(32))
		case "ppid":
			p.PPID = uint32(r.number(32))
		case "startTime":
			pointer(r, &p.StartTime, r.time)
		case "name":
			p.Name = r.text()
		case "executable":
			p.Executable = r.text()
		case "args":
			r.texts(&p.Args)
		case "cwd":
			p.Cwd = r.text()
		case "uid":
			p.UID = uint32(r.number(32))
		case "euid":
			p.EUID = uint32(r.number(32))
		case "user":
			p.User = r.text()
		case "capabilities":
			r.texts(&p.Capabilities)
		case "containerId":
			p.ContainerID = r.text()
		case "ancestors":
			elements(r, &p.Ancestors, r.process)
		default:
			r.stop()
		}
	})
}

func (r *reader) container(c *Container) {
	r.object(func(name string) {
		switch name {
		case "id":
			c.ID = r.text()
		case "name":
			c.Name = r.text()
		case "image":
			c.Image = r.text()
		case "imageDigest":
			c.ImageDigest = r.text()
		case "runtime":
			c.Runtime = r.text()
		default:
			r.stop()
		}
	})
}

func (r *reader) kubernetes(k *Kubernetes) {
	r.object(func(name string) {
		switch name {
		case "podName":
			k.PodName = r.text()
		case "namespace":
			k.Namespace = r.text()
		case "podUID":
			k.PodUID = r.text()
		case "labels":
			r.value(&k.Labels)
		default:
			r.stop()
		}
	})
}
