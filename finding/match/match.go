// Package match is the one matcher grammar of Tocsin: of routes, silences, inhibition, the API and the command line.
//
// A map is AND, a list is OR, "any" is OR of maps. Values are globs (* and ?), "!x" negates, "~re" is an anchored regular
// expression, and ">=high" or "<=low" order severities. A missing field never matches, not even "!x". In a list the
// negated values must all hold. A parent technique matches its sub-techniques.
//
// A Matcher is immutable and safe for concurrent use.
package match

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/finding"
)

// Error is a mistake in a matcher. At leads to it from the matcher's top: "any", 0, "severty".
type Error struct {
	At  []any
	Msg string
}

// Path is At as texts, "any", "0", "severty": where the mistake is.
func (e *Error) Path() []string {
	out := make([]string, len(e.At))
	for i, p := range e.At {
		out[i] = fmt.Sprint(p)
	}
	return out
}

func (e *Error) Error() string {
	if len(e.At) == 0 {
		return e.Msg
	}
	return PathText(e.At) + ": " + e.Msg
}

// PathText writes a path as people read it: any[0].severity.
func PathText(path []any) string {
	var b strings.Builder
	for _, p := range path {
		switch p := p.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", p)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, p)
		}
	}
	return b.String()
}

// Op is how a value is compared.
type Op uint8

const (
	Equal  Op = iota // Text, exactly (names of tactics and severities in any case)
	Glob             // Text with * and ?
	Regexp           // Text, anchored on both sides
	AtLeast
	AtMost
)

// Value is one alternative of a Term.
type Value struct {
	Not      bool
	Op       Op
	Text     string
	Severity finding.Severity // of AtLeast and AtMost, and of Equal on the field severity
	re       *regexp.Regexp   // of Regexp and Glob
}

// Term compares one field.
type Term struct {
	Field  string
	Values []Value
	field  *fieldDef
	key    string // of label.<key> and the like
}

// Matcher holds when all Terms hold, and, if there are any, one of Any. The zero value matches everything.
type Matcher struct {
	Terms []Term
	Any   []Matcher
}

// Parse reads the form that YAML and JSON decode to: map[string]any with strings, numbers, booleans and lists of them.
// nil is the matcher of everything. The error is an *Error.
func Parse(v any) (Matcher, error) { return parse(v, nil) }

func parse(v any, path []any) (Matcher, error) {
	var m Matcher
	if v == nil {
		return m, nil
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return m, &Error{path, fmt.Sprintf("a matcher is a map of fields, not %s", kindOf(v))}
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		at := append(path[:len(path):len(path)], name)
		if name == "any" {
			list, ok := fields[name].([]any)
			if !ok || len(list) == 0 {
				return m, &Error{at, "any takes a list of maps"}
			}
			for i, x := range list {
				sub, err := parse(x, append(at[:len(at):len(at)], i))
				if err != nil {
					return m, err
				}
				m.Any = append(m.Any, sub)
			}
			continue
		}
		t, err := parseTerm(name, fields[name], at)
		if err != nil {
			return m, err
		}
		m.Terms = append(m.Terms, t)
	}
	return m, nil
}

func parseTerm(name string, v any, at []any) (Term, error) {
	t := Term{Field: name}
	var err error
	if t.field, t.key, err = lookup(name); err != nil {
		return t, &Error{at, err.Error()}
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
		if ss, ok := v.([]string); ok {
			list = list[:0]
			for _, s := range ss {
				list = append(list, s)
			}
		}
	}
	if len(list) == 0 {
		return t, &Error{at, "an empty list matches nothing"}
	}
	for i, x := range list {
		where := at
		if ok {
			where = append(at[:len(at):len(at)], i)
		}
		text, err := scalar(x)
		if err != nil {
			return t, &Error{where, err.Error()}
		}
		val, err := parseValue(t.field, text)
		if err != nil {
			return t, &Error{where, err.Error()}
		}
		t.Values = append(t.Values, val)
	}
	return t, nil
}

func scalar(x any) (string, error) {
	switch x := x.(type) {
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case int, int64, uint64, uint32, float64:
		return fmt.Sprint(x), nil
	}
	return "", fmt.Errorf("a value is a text or a number, not %s", kindOf(x))
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case nil:
		return "empty"
	case string:
		return "a text"
	}
	return fmt.Sprintf("%v", v)
}

func parseValue(f *fieldDef, text string) (Value, error) {
	v := Value{Text: text}
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		v.Not, text = true, rest
	}
	v.Text = text
	var err error
	switch {
	case strings.HasPrefix(text, ">=") || strings.HasPrefix(text, "<="):
		if !f.severity {
			return v, fmt.Errorf("%s orders severities only", text[:2])
		}
		v.Op, v.Text = AtLeast, strings.TrimSpace(text[2:])
		if text[0] == '<' {
			v.Op = AtMost
		}
		v.Severity, err = finding.ParseSeverity(v.Text)
		return v, err
	case strings.HasPrefix(text, "~"):
		v.Op, v.Text = Regexp, text[1:]
		if v.re, err = regexp.Compile("^(?:" + v.Text + ")$"); err != nil {
			return v, fmt.Errorf("regular expression: %w", err)
		}
		return v, nil
	case text == "":
		return v, fmt.Errorf("an empty value matches nothing: leave the field out")
	case strings.ContainsAny(text, "*?"):
		v.Op, v.re = Glob, globRegexp(text, f.fold)
		return v, nil
	}
	if f.severity {
		v.Severity, err = finding.ParseSeverity(text)
		return v, err
	}
	return v, nil
}

func globRegexp(glob string, fold bool) *regexp.Regexp {
	var b strings.Builder
	if fold {
		b.WriteString("(?i)")
	}
	b.WriteString("(?s)^")
	for _, r := range glob {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile(b.String() + "$")
}

// Doubts are values that may never match: tactics and techniques that are not in the catalogue. They are no errors, for the catalogue is
// of Linux and containers, and a finding from elsewhere may name others.
func (m *Matcher) Doubts() []*Error { return m.doubts(nil) }

func (m *Matcher) doubts(path []any) []*Error {
	var out []*Error
	for i := range m.Terms {
		t := &m.Terms[i]
		if t.field.doubt == nil {
			continue
		}
		for j, v := range t.Values {
			if v.Op != Equal {
				continue
			}
			if msg := t.field.doubt(v.Text); msg != "" {
				at := append(path[:len(path):len(path)], t.Field)
				if len(t.Values) > 1 {
					at = append(at, j)
				}
				out = append(out, &Error{at, msg})
			}
		}
	}
	for i := range m.Any {
		out = append(out, m.Any[i].doubts(append(path[:len(path):len(path)], "any", i))...)
	}
	return out
}

// Match reports whether f matches.
func (m *Matcher) Match(f *finding.Finding) bool {
	ok, _ := m.Explain(f)
	return ok
}

// MatchAlert reports whether a matches, by its own severity and techniques (the highest and all of its findings).
func (m *Matcher) MatchAlert(a *finding.Alert) bool {
	f := AlertSubject(a)
	return m.Match(&f)
}

// AlertSubject is an alert in the form that matchers read.
func AlertSubject(a *finding.Alert) finding.Finding {
	f := finding.Finding{
		Cluster: a.Cluster, Host: a.Host, Origin: a.Origin, Rule: a.Rule, Severity: a.Severity, Attack: a.Attack,
		Process: a.Process, Container: a.Container, Kubernetes: a.Kubernetes, Message: a.Message,
	}
	if a.Finding != nil {
		f.Source, f.Fingerprint, f.Data, f.Event = a.Finding.Source, a.Finding.Fingerprint, a.Finding.Data, a.Finding.Event
	}
	return f
}

// Explain is Match with the reason: the term that did not hold, or "".
func (m *Matcher) Explain(f *finding.Finding) (bool, string) {
	for i := range m.Terms {
		if !m.Terms[i].match(f) {
			return false, m.Terms[i].String()
		}
	}
	if len(m.Any) == 0 {
		return true, ""
	}
	for i := range m.Any {
		if m.Any[i].Match(f) {
			return true, ""
		}
	}
	return false, "any: none of " + strconv.Itoa(len(m.Any))
}

// Empty reports whether m matches everything.
func (m *Matcher) Empty() bool { return len(m.Terms) == 0 && len(m.Any) == 0 }

// Fields is the number of different fields that must hold at once; of "any" it counts the weakest map.
func (m *Matcher) Fields() int {
	n := len(m.Terms)
	weakest := -1
	for i := range m.Any {
		if w := m.Any[i].Fields(); weakest < 0 || w < weakest {
			weakest = w
		}
	}
	return n + max(weakest, 0)
}

func (t *Term) match(f *finding.Finding) bool {
	if t.field.severity {
		return t.any(func(v *Value) bool {
			switch v.Op {
			case AtLeast:
				return f.Severity >= v.Severity
			case AtMost:
				return f.Severity <= v.Severity
			case Equal:
				return f.Severity == v.Severity
			}
			return v.re.MatchString(f.Severity.String())
		})
	}
	var buf [8]string
	have := t.field.get(buf[:0], f, t.key)
	if len(have) == 0 {
		return false
	}
	return t.any(func(v *Value) bool {
		for _, s := range have {
			if v.matchText(t.field, s) {
				return true
			}
		}
		return false
	})
}

// any applies the rule for lists: one of the plain values, if there are any, and none of the negated ones.
func (t *Term) any(holds func(*Value) bool) bool {
	plain, found := false, false
	for i := range t.Values {
		v := &t.Values[i]
		if v.Not {
			if holds(v) {
				return false
			}
			continue
		}
		plain = true
		found = found || holds(v)
	}
	return found || !plain
}

func (v *Value) matchText(f *fieldDef, s string) bool {
	switch {
	case v.re != nil:
		return v.re.MatchString(s)
	case f.fold:
		return strings.EqualFold(v.Text, s)
	}
	return v.Text == s
}

func (v Value) String() string {
	s := v.Text
	switch v.Op {
	case AtLeast:
		s = ">=" + s
	case AtMost:
		s = "<=" + s
	case Regexp:
		s = "~" + s
	}
	if v.Not {
		s = "!" + s
	}
	return s
}

// String writes the term as a query does: field=a,b.
func (t *Term) String() string {
	parts := make([]string, len(t.Values))
	for i, v := range t.Values {
		parts[i] = v.String()
	}
	return t.Field + "=" + strings.Join(parts, ",")
}
