package native

import (
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/event"
)

// Answer is what a rule answers when it matches: true, or an object of constants and values of the event.
type Answer struct {
	Object  bool
	Members []Member // by name
	// Over is a list: members may be values of the element that the conditions hold for.
	Over *Term
}

// Take adds a member that is a value of the event. It reports false for an element of any other list than the members before.
func (a *Answer) Take(name string, t Term) bool {
	if t.Wildcard() {
		l := t.list(tag)
		if l == nil || a.Over != nil && a.Over.String() != l.String() {
			return false
		}
		if a.Over, t = l, t.in(l); t.Wildcard() {
			return false
		}
	}
	a.Members = append(a.Members, Member{Name: name, Term: t})
	return true
}

// Member is a member of an answer: a constant, or else a value of the event.
type Member struct {
	Name string
	JSON string
	Term Term
}

// Answers are those of a rule's alternatives, each with the conditions under which the rule gives it.
type Answers []alternativeAnswer

type alternativeAnswer struct {
	*Answer
	conds []*Node
}

// Add adds the answer of an alternative, which is given where the condition holds. It reports false where it does not show for which
// elements of a list that is.
func (l *Answers) Add(a *Answer, cond *Node) bool {
	if a.Over != nil {
		over := a.Over.plain()
		if a.Over, cond = &over, cond.each(over.String()); cond == nil {
			return false
		}
	}
	for i := range *l {
		if x := &(*l)[i]; reflect.DeepEqual(x.Answer, a) {
			x.conds = append(x.conds, cond)
			return true
		}
	}
	*l = append(*l, alternativeAnswer{a, []*Node{cond}})
	return true
}

// Merge writes the conditions of each answer as one: there may be thousands before. whole is that of n alternatives together: where all
// answer the same, it is that of the answer.
func (l Answers) Merge(whole *Node, n int) {
	if len(l) == 1 && l[0].Over == nil && len(l[0].conds) == n {
		l[0].conds = []*Node{whole}
		return
	}
	for i := range l {
		l[i].conds = []*Node{Merge(AnyOf(l[i].conds...))}
	}
}

// each is the condition on each element of the list for a conjunction on some element of it; nil if there is not one such.
func (n *Node) each(list string) *Node {
	all := []*Node{n}
	if n.Op == And {
		all = n.Kids
	}
	var out []*Node
	found := 0
	for _, k := range all {
		if k.Op == Any && k.Term.String() == list {
			k = k.Kids[0]
			found++
		}
		out = append(out, k)
	}
	if found != 1 {
		return nil
	}
	return AllOf(out...)
}

// given is what alternatives have answered so far.
type given struct {
	data    []byte
	from    int // where the answer begins in data
	to      int // … and ends
	found   bool
	several bool // different ones
}

// add gives one more answer, and reports whether it is another one.
func (g *given) add(s *Scratch, ev *event.Event, w writer) bool {
	out, ok := w(s, ev, g.data[:g.to])
	switch g.data = out; {
	case !ok:
	case !g.found:
		g.found, g.to = true, len(out)
	default:
		g.several = string(out[g.to:]) != string(out[g.from:g.to])
	}
	return g.several
}

// Compile returns what appends, to events that match, the answer as JSON: nothing when it is true. It reports false where the event
// has several answers, and where it is not known which alternative matched. It is nil when only the document tells.
func (l Answers) Compile(def *event.Def, origin event.Origin, addressText bool) func(*Scratch, *event.Event, []byte) ([]byte, bool) {
	var gives []test // each adds an answer to what was given, and reports whether there are several
	spec := specialiser{def: def, origin: origin, addressText: addressText}
	for _, a := range l {
		here, over := &spec, list{}
		if a.Over != nil {
			if over = spec.list(*a.Over); over.kind == unknown {
				return nil
			}
			here = spec.within(over)
		}
		if over.kind == never || slices.ContainsFunc(a.Members, func(m Member) bool { return m.Term.Arg != "" && def.Arg(m.Term.Arg) < 0 }) {
			continue // of an alternative for other events
		}
		cond := here.node(AnyOf(a.conds...))
		if cond.op == False {
			continue
		}
		w := a.compile(here)
		if w == nil || !cond.exact && over.each != nil {
			return nil
		}
		give := func(s *Scratch, ev *event.Event) bool { return s.given.add(s, ev, w) }
		if cond.exact && (len(l) > 1 || over.each != nil) {
			holds, _ := compose(cond)
			give = func(s *Scratch, ev *event.Event) bool { return holds(s, ev) && s.given.add(s, ev, w) }
		}
		if one := give; over.each != nil {
			give = func(s *Scratch, ev *event.Event) bool { return over.each(s, ev, one) }
		}
		gives = append(gives, give)
	}
	if gives == nil {
		return nil
	}
	return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
		g := &s.given
		*g = given{data: dst, from: len(dst), to: len(dst)}
		for _, give := range gives {
			if give(s, ev) {
				return g.data, false
			}
		}
		return g.data[:g.to], g.found
	}
}

// writer appends a value as JSON. It reports false when the event does not have it.
type writer func(*Scratch, *event.Event, []byte) ([]byte, bool)

func (a *Answer) compile(spec *specialiser) writer {
	if !a.Object {
		return func(_ *Scratch, _ *event.Event, dst []byte) ([]byte, bool) { return dst, true }
	}
	parts := make([]writer, len(a.Members))
	names := make([]string, len(a.Members))
	for i, m := range a.Members {
		names[i] = string(event.AppendText(nil, m.Name)) + ":"
		if i > 0 {
			names[i] = "," + names[i]
		}
		if m.JSON != "" {
			names[i] += m.JSON
		} else if parts[i] = spec.writer(m.Term); parts[i] == nil {
			return nil
		}
	}
	return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
		dst = append(dst, '{')
		for i, name := range names {
			dst = append(dst, name...)
			if parts[i] == nil {
				continue
			}
			var ok bool
			if dst, ok = parts[i](s, ev, dst); !ok {
				return dst, false
			}
		}
		return append(dst, '}'), true
	}
}

// writer resolves a value of the event, or of the element at hand.
func (s *specialiser) writer(t Term) writer {
	if i := s.def.Arg(t.Arg); t.Arg != "" && i >= 0 && len(t.Path) == 0 && len(t.Funcs) == 0 {
		if k := s.def.Args[i].Kind; k != event.KindJSON && (k != event.KindSockaddr || !s.addressText) {
			return func(_ *Scratch, ev *event.Event, dst []byte) ([]byte, bool) { return ev.AppendArg(dst, i), ev.Has(i) }
		}
	}
	f := apply(s.resolve(t), t.Funcs)
	switch f.kind {
	case document:
		return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
			v := f.value(s, ev)
			if t, ok := v.Text(&s.buf); ok {
				return event.AppendText(dst, t), true
			}
			return append(dst, v...), v != "" && utf8.ValidString(string(v))
		}
	case text:
		return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
			v, ok := f.text(s, ev)
			return event.AppendText(dst, v), ok
		}
	case number:
		return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
			if f.raw != nil && !f.signed {
				v, ok := f.raw(s, ev)
				return strconv.AppendUint(dst, v, 10), ok
			}
			v, ok := f.num(s, ev)
			return strconv.AppendInt(dst, v, 10), ok
		}
	case boolean:
		return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
			v, ok := f.flag(s, ev)
			return strconv.AppendBool(dst, v), ok
		}
	}
	return nil
}
