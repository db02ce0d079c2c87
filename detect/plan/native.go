package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/detect/rawjson"
	"github.com/tocsin-io/tocsin/detect/value"
)

// native answers for operands of the usual types. It reports false for others: OPA's own function then answers, and says what is an
// error. All give what OPA's give.
type native func(*Machine, []*value.Value) (*value.Value, bool)

// natives are the functions that rules call most.
var natives = map[string]native{
	"startswith": onTexts(strings.HasPrefix),
	"endswith":   onTexts(strings.HasSuffix),
	"contains":   onTexts(strings.Contains),

	"lower":          onText(strings.ToLower),
	"upper":          onText(strings.ToUpper),
	"trim_space":     onText(strings.TrimSpace),
	"trim":           ofTexts(strings.Trim),
	"trim_left":      ofTexts(strings.TrimLeft),
	"trim_right":     ofTexts(strings.TrimRight),
	"trim_prefix":    ofTexts(strings.TrimPrefix),
	"trim_suffix":    ofTexts(strings.TrimSuffix),
	"concat":         concat,
	"split":          split,
	"replace":        replace,
	"substring":      substring,
	"sprintf":        sprintf,
	"to_number":      toNumber,
	"json.unmarshal": unmarshal,

	"equal": comparison(func(c int) bool { return c == 0 }),
	"neq":   comparison(func(c int) bool { return c != 0 }),
	"lt":    comparison(func(c int) bool { return c < 0 }),
	"lte":   comparison(func(c int) bool { return c <= 0 }),
	"gt":    comparison(func(c int) bool { return c > 0 }),
	"gte":   comparison(func(c int) bool { return c >= 0 }),

	"plus":  arithmetic(func(x, y int64) int64 { return x + y }),
	"minus": arithmetic(func(x, y int64) int64 { return x - y }),
	"mul":   arithmetic(func(x, y int64) int64 { return x * y }),
	"rem": func(m *Machine, a []*value.Value) (*value.Value, bool) {
		x, ok1 := window(a[0])
		y, ok2 := window(a[1])
		if !ok1 || !ok2 || y == 0 {
			return nil, false
		}
		return m.arena.Int(x % y), true
	},

	"is_array":   ofKind(value.Array),
	"is_boolean": ofKind(value.Bool),
	"is_null":    ofKind(value.Null),
	"is_number":  ofKind(value.Number),
	"is_object":  ofKind(value.Object),
	"is_set":     ofKind(value.Set),
	"is_string":  ofKind(value.String),

	"count":             func(m *Machine, a []*value.Value) (*value.Value, bool) { n := length(m, a[0]); return n, n != nil },
	"numbers.range":     numbers,
	"object.get":        objectGet,
	"array.concat":      arrayConcat,
	"internal.member_2": member,

	"tocsin.any_prefix":   onList(strings.HasPrefix),
	"tocsin.any_suffix":   onList(strings.HasSuffix),
	"tocsin.any_contains": onList(strings.Contains),
}

func onTexts(f func(string, string) bool) native {
	return func(_ *Machine, a []*value.Value) (*value.Value, bool) {
		x, ok1 := a[0].Text()
		y, ok2 := a[1].Text()
		if !ok1 || !ok2 {
			return nil, false
		}
		return value.Truth(f(x, y)), true
	}
}

// onList answers for a text and a list or a set; OPA's form of the function does so for others.
func onList(f func(string, string) bool) native {
	return func(_ *Machine, a []*value.Value) (*value.Value, bool) {
		s, isText := a[0].Text()
		if k := a[1].Kind(); !isText || k != value.Array && k != value.Set {
			return nil, false
		}
		return value.Truth(slices.ContainsFunc(a[1].List(), func(v *value.Value) bool {
			x, ok := v.Text()
			return ok && f(s, x)
		})), true
	}
}

func onText(f func(string) string) native {
	return func(m *Machine, a []*value.Value) (*value.Value, bool) {
		s, ok := a[0].Text()
		if !ok {
			return nil, false
		}
		return m.changed(a[0], s, f(s)), true
	}
}

func ofTexts(f func(string, string) string) native {
	return func(m *Machine, a []*value.Value) (*value.Value, bool) {
		s, ok1 := a[0].Text()
		x, ok2 := a[1].Text()
		if !ok1 || !ok2 {
			return nil, false
		}
		return m.changed(a[0], s, f(s, x)), true
	}
}

// changed returns v if its text is still the same.
func (m *Machine) changed(v *value.Value, old, s string) *value.Value {
	if s == old {
		return v
	}
	return m.arena.String(s)
}

func concat(m *Machine, a []*value.Value) (*value.Value, bool) {
	sep, ok := a[0].Text()
	if k := a[1].Kind(); !ok || k != value.Array && k != value.Set {
		return nil, false
	}
	out := m.text[:0]
	for i, v := range a[1].List() {
		s, ok := v.Text()
		if !ok {
			return nil, false
		}
		if i > 0 {
			out = append(out, sep...)
		}
		out = append(out, s...)
	}
	m.text = out
	return m.arena.Bytes(out), true
}

func split(m *Machine, a []*value.Value) (*value.Value, bool) {
	s, ok1 := a[0].Text()
	sep, ok2 := a[1].Text()
	if !ok1 || !ok2 || sep == "" {
		return nil, false
	}
	out := m.arena.Empty(value.Array)
	for part := range strings.SplitSeq(s, sep) {
		m.arena.Push(out, m.arena.String(part))
	}
	return out, true
}

func replace(m *Machine, a []*value.Value) (*value.Value, bool) {
	s, ok1 := a[0].Text()
	old, ok2 := a[1].Text()
	by, ok3 := a[2].Text()
	if !ok1 || !ok2 || !ok3 || old == "" {
		return nil, false
	}
	out := m.text[:0]
	rest, found := s, false
	for {
		before, after, more := strings.Cut(rest, old)
		if out = append(out, before...); !more {
			break
		}
		out = append(out, by...)
		rest, found = after, true
	}
	if m.text = out; !found {
		return a[0], true
	}
	return m.arena.Bytes(out), true
}

func substring(m *Machine, a []*value.Value) (*value.Value, bool) {
	s, ok1 := a[0].Text()
	from, ok2 := a[1].Plain()
	n, ok3 := a[2].Plain()
	if !ok1 || !ok2 || !ok3 || from < 0 {
		return nil, false
	}
	for i := range len(s) { // places are those of characters
		if s[i] >= utf8.RuneSelf {
			return nil, false
		}
	}
	rest := s[min(from, int64(len(s))):]
	if n >= 0 {
		rest = rest[:min(n, int64(len(rest)))]
	}
	return m.changed(a[0], s, rest), true
}

func sprintf(m *Machine, a []*value.Value) (*value.Value, bool) {
	format, ok := a[0].Text()
	if !ok || a[1].Kind() != value.Array {
		return nil, false
	}
	args := make([]any, len(a[1].List()))
	for i, v := range a[1].List() {
		if s, ok := v.Text(); ok {
			args[i] = s
		} else if n, ok := v.Plain(); ok {
			args[i] = n
		} else {
			return nil, false
		}
	}
	return m.arena.String(fmt.Sprintf(format, args...)), true
}

func toNumber(m *Machine, a []*value.Value) (*value.Value, bool) {
	s, ok := a[0].Text()
	if !ok {
		return a[0], a[0].Kind() == value.Number
	}
	if s == "" {
		return nil, false
	}
	n := m.arena.Number(s)
	_, ok = n.Plain()
	return n, ok
}

func unmarshal(m *Machine, a []*value.Value) (*value.Value, bool) {
	s, ok := a[0].Text()
	if !ok {
		return nil, false
	}
	for i := 1; i+1 < len(s); i++ { // a large exponent is an error
		if s[i]|0x20 == 'e' && '0' <= s[i-1] && s[i-1] <= '9' && s[i+1] <= '9' && s[i+1] != '"' {
			return nil, false
		}
	}
	m.text = append(m.text[:0], s...)
	if !json.Valid(m.text) {
		return nil, false
	}
	return m.arena.JSON(rawjson.Of(s)), true
}

func comparison(f func(int) bool) native {
	return func(_ *Machine, a []*value.Value) (*value.Value, bool) {
		return value.Truth(f(value.Compare(a[0], a[1]))), true
	}
}

func arithmetic(f func(x, y int64) int64) native {
	return func(m *Machine, a []*value.Value) (*value.Value, bool) {
		x, ok1 := window(a[0])
		y, ok2 := window(a[1])
		if !ok1 || !ok2 {
			return nil, false
		}
		return m.arena.Int(f(x, y)), true
	}
}

// window reads a number of which a sum or a product can't be too large.
func window(v *value.Value) (int64, bool) {
	n, ok := v.Plain()
	return n, ok && n >= math.MinInt32 && n <= math.MaxInt32
}

func ofKind(k value.Kind) native {
	return func(_ *Machine, a []*value.Value) (*value.Value, bool) { return value.Truth(a[0].Kind() == k), true }
}

// length is what count gives; nil for what has none.
func length(m *Machine, v *value.Value) *value.Value {
	switch v.Kind() {
	case value.Array, value.Object, value.Set:
		return m.arena.Int(int64(v.Len()))
	case value.String:
		s, _ := v.Text()
		return m.arena.Int(int64(utf8.RuneCountInString(s)))
	}
	return nil
}

func numbers(m *Machine, a []*value.Value) (*value.Value, bool) {
	from, ok1 := window(a[0])
	to, ok2 := window(a[1])
	if !ok1 || !ok2 || to < from || to-from >= 1000 {
		return nil, false
	}
	out := m.arena.Empty(value.Array)
	for n := from; n <= to; n++ {
		m.arena.Push(out, m.arena.Int(n))
	}
	return out, true
}

func objectGet(_ *Machine, a []*value.Value) (*value.Value, bool) {
	v, path, none := a[0], a[1:2], a[2]
	if v.Kind() != value.Object {
		return nil, false
	}
	if a[1].Kind() == value.Array {
		path = a[1].List()
	}
	for _, key := range path {
		if v = v.Get(key); v == nil {
			return none, true
		}
	}
	return v, true
}

func arrayConcat(m *Machine, a []*value.Value) (*value.Value, bool) {
	if a[0].Kind() != value.Array || a[1].Kind() != value.Array {
		return nil, false
	}
	out := m.arena.List(a[0].List()...)
	for _, v := range a[1].List() {
		m.arena.Push(out, v)
	}
	return out, true
}

func member(_ *Machine, a []*value.Value) (*value.Value, bool) {
	switch a[1].Kind() {
	case value.Set:
		return value.Truth(a[1].Get(a[0]) != nil), true
	case value.Array:
		return value.Truth(slices.ContainsFunc(a[1].List(), func(v *value.Value) bool { return value.Equal(v, a[0]) })), true
	}
	return nil, false
}

// merge unites two objects; where both have an object, those; else a's value wins, as in OPA.
func (m *Machine) merge(a, b *value.Value) *value.Value {
	out := m.arena.Empty(value.Object)
	for _, from := range []*value.Value{b, a} {
		list := from.List()
		for i := 0; i < len(list); i += 2 {
			v := list[i+1]
			if old := out.Find(list[i]); old != nil && old.Kind() == value.Object && v.Kind() == value.Object {
				v = m.merge(v, old)
			}
			m.arena.Put(out, list[i], v)
		}
	}
	return out
}
