package detect

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

// fieldText returns the text of a field of the event document: "processName", "container.image", "args.pathname".
// It reports false when the event does not have it.
func fieldText(doc map[string]any, field string) (string, bool) {
	if name, ok := strings.CutPrefix(field, "args."); ok {
		args, _ := doc["args"].([]any)
		for _, a := range args {
			if o, _ := a.(map[string]any); o != nil && o["name"] == name {
				return valueText(o["value"]), true
			}
		}
		// An address's part: args.remote_addr.sun_path.
		if arg, part, ok := strings.Cut(name, "."); ok {
			for _, a := range args {
				if o, _ := a.(map[string]any); o != nil && o["name"] == arg {
					if v, ok := o["value"].(map[string]any); ok {
						if p, ok := v[part]; ok {
							return valueText(p), true
						}
					}
				}
			}
		}
		return "", false
	}
	var v any = doc
	for part := range strings.SplitSeq(field, ".") {
		o, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = o[part]; !ok {
			return "", false
		}
	}
	return valueText(v), true
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

func decode(doc []byte) map[string]any {
	var v map[string]any
	dec := json.NewDecoder(strings.NewReader(string(doc)))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// exception is an Exception made ready.
type exception struct {
	fields  []fieldGlobs
	expires time.Time
}

type fieldGlobs struct {
	field string
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
					f.globs = append(f.globs, flat(g))
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
func (e *Engine) excepted(r *rule, ev *event.Event, now time.Time) bool {
	if len(r.exceptions) == 0 {
		return false
	}
	doc := decode(e.scratch.document(ev))
	for i := range r.exceptions {
		if x := &r.exceptions[i]; (x.expires.IsZero() || now.Before(x.expires)) && x.covers(doc) {
			return true
		}
	}
	return false
}

func (x *exception) covers(doc map[string]any) bool {
	for _, f := range x.fields {
		text, ok := fieldText(doc, f.field)
		if !ok {
			return false // a field that is not there is never known to be fine
		}
		text = flat(text)
		hit := false
		for _, g := range f.globs {
			if m, _ := path.Match(g, text); m { // globs were checked
				hit = true
				break
			}
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

// maxKeys bounds the memory of a limiter. An attacker can make keys: when there are too many the oldest windows go.
const maxKeys = 4096

// with returns the limiter for a rate, l itself when it has that rate already.
func (l *limiter) with(r *Rate) (*limiter, error) {
	if r == nil {
		return nil, nil
	}
	if l != nil && l.rate.Limit == r.Limit && l.rate.Per == r.Per && strings.Join(l.rate.Key, "\x00") == strings.Join(r.Key, "\x00") {
		return l, nil
	}
	return &limiter{rate: *r, windows: map[string]*window{}}, nil
}

// allow reports whether a finding may be made of the event, and how many were held back since the last one of its key.
// Time is the event's, so that a replay is limited like the live events were.
func (l *limiter) allow(document func(*event.Event) []byte, ev *event.Event) (held uint64, ok bool) {
	if l == nil {
		return 0, true
	}
	now := time.Unix(0, int64(ev.Timestamp))
	key := ""
	if len(l.rate.Key) > 0 {
		doc := decode(document(ev))
		for _, f := range l.rate.Key {
			t, _ := fieldText(doc, f)
			key += t + "\x00"
		}
	}
	w := l.windows[key]
	if w == nil {
		if len(l.windows) >= maxKeys {
			l.expire(now)
		}
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

// expire drops windows that are over, or, when none is, the one that began first.
func (l *limiter) expire(now time.Time) {
	oldest := ""
	var at time.Time
	for k, w := range l.windows {
		if now.Sub(w.start) >= l.rate.Per && w.held == 0 {
			delete(l.windows, k)
		} else if at.IsZero() || w.start.Before(at) {
			oldest, at = k, w.start
		}
	}
	if len(l.windows) >= maxKeys {
		delete(l.windows, oldest)
	}
}
