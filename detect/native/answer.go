package native

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/tocsin-io/tocsin/event"
)

// Answer is what a rule answers when it matches: true, or an object of constants and values of the event.
type Answer struct {
	Object  bool
	Members []Member // by name
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

// Add adds the answer of an alternative, which is given where the condition holds.
func (l *Answers) Add(a *Answer, cond *Node) {
	for i := range *l {
		if x := &(*l)[i]; reflect.DeepEqual(x.Answer, a) {
			x.conds = append(x.conds, cond)
			return
		}
	}
	*l = append(*l, alternativeAnswer{a, []*Node{cond}})
}

// choice is an answer ready to be written.
type choice struct {
	write writer
	holds test // nil: not known
}

// Compile returns what appends, to events that match, the answer as JSON: nothing when it is true. It reports false where the event
// has several answers, and where it is not known which alternative matched. It is nil when answers take the document.
func (l Answers) Compile(def *event.Def, origin event.Origin, addressText bool) func(*Scratch, *event.Event, []byte) ([]byte, bool) {
	var list []choice
	spec := specialiser{def: def, origin: origin, addressText: addressText}
	for _, a := range l {
		cond := spec.node(Merge(AnyOf(a.conds...)))
		if cond.op == False || slices.ContainsFunc(a.Members, func(m Member) bool { return m.Term.Arg != "" && def.Arg(m.Term.Arg) < 0 }) {
			continue // of an alternative for other events
		}
		c := choice{write: a.compile(def, origin, addressText)}
		if c.write == nil {
			return nil
		}
		if cond.exact {
			c.holds, _ = compose(cond)
		}
		list = append(list, c)
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0].write
	}
	return func(s *Scratch, ev *event.Event, dst []byte) ([]byte, bool) {
		start, found := len(dst), false
		end := start
		for _, c := range list {
			if c.holds != nil && !c.holds(s, ev) {
				continue
			}
			out, ok := c.write(s, ev, dst[:end])
			dst = out
			if !ok {
				continue
			}
			if found && string(out[end:]) != string(out[start:end]) {
				return dst, false
			}
			if !found {
				found, end = true, len(out)
			}
		}
		return dst[:end], found
	}
}

// writer appends a value as JSON. It reports false when the event does not have it.
type writer func(*Scratch, *event.Event, []byte) ([]byte, bool)

func (a *Answer) compile(def *event.Def, origin event.Origin, addressText bool) writer {
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
		} else if parts[i] = write(m.Term, def, origin, addressText); parts[i] == nil {
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

// write resolves a value of the event.
func write(t Term, def *event.Def, origin event.Origin, addressText bool) writer {
	if i := def.Arg(t.Arg); t.Arg != "" && i >= 0 && len(t.Path) == 0 && len(t.Funcs) == 0 {
		switch k := def.Args[i].Kind; {
		case k == event.KindJSON:
			return nil
		case k != event.KindSockaddr || !addressText:
			return func(_ *Scratch, ev *event.Event, dst []byte) ([]byte, bool) { return ev.AppendArg(dst, i), ev.Has(i) }
		}
	}
	f := apply(resolve(t, def, origin, addressText), t.Funcs)
	switch f.kind {
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
