package detect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/state"
	"github.com/tocsin-io/tocsin/event"
)

// scratch holds what several rules need of one event, made when the first of them needs it.
type scratch struct {
	decoded map[string]any
	key     []byte // of a limit; kept from event to event
	readers map[reader]func(*native.Scratch, *event.Event) (string, bool)
	native  native.Scratch
}

func (s *scratch) reset() { s.decoded = nil }

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

// field returns the text of a field of the event: "processName", "container.image", "process.ancestors.0.executable",
// "args.pathname", "args.remote_addr.sin_addr". It reports false when the event does not have it. The text is valid until the
// next field is read.
func (s *scratch) field(ev *event.Event, field string) (string, bool) {
	if v, known, ok := s.direct(ev, field); known {
		return v, ok
	}
	var v any = s.object(ev)
	if rest, ok := strings.CutPrefix(field, "args."); ok {
		list, _ := s.object(ev)["args"].([]any)
		v, field = nil, ""
		for _, a := range list {
			o, _ := a.(map[string]any)
			name, _ := o["name"].(string)
			// Names of arguments may have dots in them: binary.path.
			if name == rest || strings.HasPrefix(rest, name+".") {
				v, field = o["value"], strings.TrimPrefix(rest[len(name):], ".")
				break
			}
		}
		if v == nil {
			return "", false
		}
	}
	for part := range strings.SplitSeq(field, ".") {
		if part == "" {
			break
		}
		switch x := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = x[part]; !ok {
				return "", false
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return "", false
			}
			v = x[i]
		default:
			return "", false
		}
	}
	return valueText(v), true
}

// reader tells how to read a field of one kind of event.
type reader struct {
	def    *event.Def
	origin event.Origin
	field  string
}

// direct reads a field without making the document. known is false when that can't be done.
func (s *scratch) direct(ev *event.Event, field string) (v string, known, ok bool) {
	if ev.Def.Dynamic {
		return "", false, false
	}
	key := reader{ev.Def, ev.Origin(), field}
	read, compiled := s.readers[key]
	if !compiled {
		if s.readers == nil {
			s.readers = map[reader]func(*native.Scratch, *event.Event) (string, bool){}
		}
		read = native.Text(field, ev.Def, key.origin)
		s.readers[key] = read
	}
	if read == nil {
		return "", false, false
	}
	v, ok = read(&s.native, ev)
	return v, true, ok
}

func valueText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = valueText(e)
		}
		return strings.Join(parts, " ")
	}
	raw, _ := json.Marshal(v) // came from JSON
	return string(raw)
}

// exception is an Exception made ready.
type exception struct {
	fields  []fieldGlobs
	expires time.Time
}

type fieldGlobs struct {
	field string
	texts []string // values without a wildcard
	globs []string
	not   bool
}

func compileExceptions(meta *Metadata, more []Exception) ([]exception, error) {
	var out []exception
	for _, list := range [][]Exception{meta.Exceptions, more} {
		for _, x := range list {
			if x.Rule != meta.ID && x.Rule != "*" && x.Rule != meta.Name {
				continue
			}
			c := exception{expires: x.Expires}
			for field, values := range x.Match {
				f := fieldGlobs{field: field}
				for i, v := range values {
					g, not := strings.CutPrefix(v, "!")
					if i > 0 && not != f.not {
						return nil, fmt.Errorf("exception: %s mixes values with and without \"!\"", field)
					}
					f.not = not
					if _, err := path.Match(flat(g), ""); err != nil {
						return nil, fmt.Errorf("exception: %s: %q is no glob", field, g)
					}
					if strings.ContainsAny(g, `*?[\\`) {
						f.globs = append(f.globs, flat(g))
					} else {
						f.texts = append(f.texts, g)
					}
				}
				c.fields = append(c.fields, f)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// flat hides the slashes of paths from path.Match, whose "*" would stop at them.
func flat(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// excepted reports whether an exception covers the event. An exception that has expired covers nothing.
func (e *Engine) excepted(r *rule, ev *event.Event) bool {
	for i := range r.exceptions {
		if x := &r.exceptions[i]; (x.expires.IsZero() || time.Now().Before(x.expires)) && x.covers(&e.scratch, ev) {
			return true
		}
	}
	return false
}

func (x *exception) covers(s *scratch, ev *event.Event) bool {
	for _, f := range x.fields {
		text, ok := s.field(ev, f.field)
		if !ok {
			return false // a field that is not there is never known to be fine
		}
		hit := slices.Contains(f.texts, text)
		if !hit && len(f.globs) > 0 {
			text = flat(text)
			hit = slices.ContainsFunc(f.globs, func(g string) bool {
				m, _ := path.Match(g, text) // globs were checked
				return m
			})
		}
		if hit == f.not {
			return false
		}
	}
	return true
}

// limiter counts the findings of one rule per key in fixed windows.
type limiter struct {
	rate    Rate
	windows map[string]*window
}

type window struct {
	start time.Time
	n     int
	held  uint64
}

// newLimiter returns a limiter for the rate, old itself when it has that rate already.
func newLimiter(old *limiter, r *Rate) *limiter {
	if r == nil {
		return nil
	}
	if old != nil && reflect.DeepEqual(old.rate, *r) {
		return old
	}
	return &limiter{rate: *r, windows: map[string]*window{}}
}

// allow reports whether a finding may be made of the event, and how many were held back since the last one of its key.
// Time is the event's, so that a replay is limited like the live events were.
func (l *limiter) allow(s *scratch, ev *event.Event) (held uint64, ok bool) {
	if l == nil {
		return 0, true
	}
	now := time.Unix(0, int64(ev.Timestamp))
	key := ""
	for _, f := range l.rate.Key {
		t, _ := s.field(ev, f)
		key += t + "\x00"
	}
	w := l.windows[key]
	if w == nil {
		state.MakeRoom(l.windows, func(w *window) bool { return w.held == 0 && now.Sub(w.start) >= l.rate.Per })
		w = &window{start: now}
		l.windows[key] = w
	}
	if now.Sub(w.start) >= l.rate.Per {
		w.start, w.n = now, 0
	}
	if w.n >= l.rate.Limit {
		w.held += max(uint64(ev.Count), 1)
		return 0, false
	}
	w.n++
	held, w.held = w.held, 0
	return held, true
}

// counter counts matches, or different values of a field, per key in a sliding window.
type counter struct {
	rule Threshold
	keys map[string]*tally
}

type tally struct {
	times  []time.Time // of matches, oldest first; at most Count
	values map[string]*time.Time
	last   time.Time
}

func newCounter(old *counter, t *Threshold) *counter {
	if t == nil {
		return nil
	}
	if old != nil && old.rule == *t {
		return old
	}
	return &counter{rule: *t, keys: map[string]*tally{}}
}

// reached notes a match and reports whether the threshold is reached with it. What it knows already costs no memory.
func (c *counter) reached(s *scratch, ev *event.Event) bool {
	if c == nil {
		return true
	}
	key := s.key[:0]
	switch c.rule.By {
	case "", "host":
	case "container":
		if ev.Container != nil {
			key = append(key, ev.Container.ID...)
		}
	case "process":
		key = binary.NativeEndian.AppendUint32(key, ev.HostPID)
		key = binary.NativeEndian.AppendUint64(key, ev.LeaderStart)
	default:
		key, _ = s.appendField(key, ev, c.rule.By)
	}
	s.key = key
	now := time.Unix(0, int64(ev.Timestamp))
	t := c.keys[string(key)]
	if t == nil {
		state.MakeRoom(c.keys, func(t *tally) bool { return now.Sub(t.last) >= c.rule.Within })
		t = &tally{}
		c.keys[string(key)] = t
	}
	t.last = now
	if c.rule.Distinct == "" {
		if !t.often(&c.rule, ev, now) {
			return false
		}
	} else {
		n := len(key)
		var ok bool
		if s.key, ok = s.appendField(key, ev, c.rule.Distinct); !ok || !t.various(&c.rule, s.key[n:], now) {
			return false
		}
		key = s.key[:n]
	}
	delete(c.keys, string(key))
	return true
}

// often counts matches.
func (t *tally) often(rule *Threshold, ev *event.Event, now time.Time) bool {
	for range min(max(int(ev.Count), 1), rule.Count) {
		t.times = append(t.times, now)
	}
	for len(t.times) > 0 && now.Sub(t.times[0]) >= rule.Within {
		t.times = t.times[1:]
	}
	return len(t.times) >= rule.Count
}

// various counts different values.
func (t *tally) various(rule *Threshold, value []byte, now time.Time) bool {
	if seen := t.values[string(value)]; seen != nil {
		*seen = now
	} else {
		if t.values == nil {
			t.values = map[string]*time.Time{}
		}
		at := now
		t.values[string(value)] = &at
	}
	if len(t.values) < rule.Count {
		return false
	}
	for v, seen := range t.values {
		if now.Sub(*seen) >= rule.Within {
			delete(t.values, v)
		}
	}
	return len(t.values) >= rule.Count
}

// appendField appends what tells values of the field apart: the bytes of an argument where they do, else its text.
func (s *scratch) appendField(to []byte, ev *event.Event, field string) ([]byte, bool) {
	if name, isArg := strings.CutPrefix(field, "args."); isArg && !ev.Def.Dynamic {
		if i := ev.Def.Arg(name); i >= 0 {
			switch a := &ev.Def.Args[i]; {
			case a.Kind == event.KindString:
				return append(to, ev.Bytes(i)...), ev.Has(i)
			case a.Kind == event.KindSockaddr:
				sa := ev.Sockaddr(i) // its bytes may have anything behind the address
				ip := sa.Addr.As16()
				to = binary.NativeEndian.AppendUint16(append(to, ip[:]...), sa.Family)
				return append(binary.NativeEndian.AppendUint16(to, sa.Port), sa.Path...), ev.Has(i)
			case a.Kind.Scalar():
				return binary.NativeEndian.AppendUint64(to, ev.Uint(i)), ev.Has(i)
			}
		}
	}
	text, ok := s.field(ev, field)
	return append(to, text...), ok
}
