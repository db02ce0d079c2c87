package native

import (
	"slices"

	"github.com/tocsin-io/tocsin/detect/rawjson"
	"github.com/tocsin-io/tocsin/event"
)

// Some arguments are documents: JSON texts whose values may be of any type. They are read where they stand, so that a rule over
// requests and packets costs as little as one over paths.

// step is one step into a document.
type step struct {
	name  string
	index int // -1: the member name
}

// steps reads a path without wildcards.
func steps(path []string) ([]step, bool) {
	out := make([]step, len(path))
	for i, p := range path {
		out[i] = step{name: p, index: -1}
		if p[:min(len(p), 1)] == "[" {
			n, ok := index(p)
			if !ok {
				return nil, false
			}
			out[i] = step{index: n}
		}
	}
	return out, true
}

type valueOf func(*Scratch, *event.Event) rawjson.Value

// root is a document: the argument of that number, or below 0 the element that Any looks at.
type root int

const elementRoot root = -1

func (r root) value(s *Scratch, ev *event.Event) rawjson.Value {
	if r < 0 {
		return s.value
	}
	return rawjson.Of(ev.Str(int(r)))
}

// below is what the path leads to.
func (r root) below(path []step) valueOf {
	switch {
	case len(path) == 0:
		return r.value
	case r >= 0 && path[0].index < 0:
		return func(s *Scratch, ev *event.Event) rawjson.Value { return walk(s.member(ev, r, path[0].name), path[1:]) }
	}
	return func(s *Scratch, ev *event.Event) rawjson.Value { return walk(r.value(s, ev), path) }
}

// opened is a document of the event at hand whose members have been read: rules ask for one after the other.
type opened struct {
	root    root
	members []rawjson.Member
}

// member is what a document has of that name.
func (s *Scratch) member(ev *event.Event, r root, name string) rawjson.Value {
	if s.at != ev { // asked outside of Match, and of what follows it
		return r.value(s, ev).Member(name)
	}
	at := slices.IndexFunc(s.opened, func(o opened) bool { return o.root == r })
	if at < 0 {
		at = len(s.opened)
		s.opened = slices.Grow(s.opened, 1)[:at+1] // with the memory of one before
		o := &s.opened[at]
		o.root, o.members = r, r.value(s, ev).Members(o.members[:0])
	}
	for _, m := range slices.Backward(s.opened[at].members) { // of several with the name it is the last one
		if m.Key.Is(name) {
			return m.Value
		}
	}
	return ""
}

func walk(v rawjson.Value, path []step) rawjson.Value {
	for i := 0; i < len(path) && v != ""; i++ {
		if p := &path[i]; p.index < 0 {
			v = v.Member(p.name)
		} else {
			v = v.Index(p.index)
		}
	}
	return v
}

// documentField is a value in a document.
func documentField(r root, path []string) field {
	p, ok := steps(path)
	if !ok {
		return unknownField
	}
	return field{kind: document, value: r.below(p)}
}

// documentElement is what the path leads to in the element of a document that Any looks at.
func documentElement(path []string) field {
	return documentField(elementRoot, path)
}

// asText is the field where the value is a text: functions on text and comparisons with texts know no other.
func (f field) asText() field {
	if f.kind != document {
		return f
	}
	get := f.value
	return field{kind: text, text: func(s *Scratch, ev *event.Event) (string, bool) { return get(s, ev).Text(&s.buf) }}
}

// documentAtom is a condition on one value of a document.
func (s *specialiser) documentAtom(n *Node, f field) *specialised {
	get := f.value
	switch n.Op {
	case Defined, Truthy:
		// Partial evaluation writes a bare reference both for "has a value" and for "is not false": let false through.
		out := is(n, 3, func(sc *Scratch, ev *event.Event) bool { return get(sc, ev) != "" })
		out.exact = n.Op == Defined
		return out
	case Equal, Prefix, Suffix, Contains, Regex, CIDR:
		return s.text(n, f.asText())
	case NumEqual:
		return is(n, 3, numberTest(n, func(sc *Scratch, ev *event.Event) (int64, bool) { return get(sc, ev).Int() }))
	case Is:
		want := rawjson.Value("false")
		if n.Nums[0] != 0 {
			want = "true"
		}
		return is(n, 3, func(sc *Scratch, ev *event.Event) bool { return get(sc, ev) == want })
	}
	return maybe // Rego orders values of all types
}

// list is what a condition on one element goes through.
type list struct {
	kind valueKind // never: there is none; unknown
	// each reports whether the test holds for an element. The test may itself go through a list.
	each    func(*Scratch, *event.Event, test) bool
	element func(path []string) field // resolves what is named in the element
	text    field                     // the elements as texts, if they are
}

// list resolves a term that ends in a wildcard.
func (s *specialiser) list(t Term) list {
	if r, ok := s.document(t); ok {
		return documentList(r, t.Path)
	}
	if t.Element {
		return list{kind: unknown}
	}
	if slices.Equal(t.Path, []string{"process", "ancestors", "[]"}) {
		return list{kind: other, element: ancestorElement, each: func(sc *Scratch, ev *event.Event, t test) bool {
			old := sc.ancestor
			defer func() { sc.ancestor = old }()
			for _, sc.ancestor = range event.ProcessOf(ev).Ancestors {
				if t(sc, ev) {
					return true
				}
			}
			return false
		}}
	}
	f := resolve(t, s.def, s.origin, s.addressText)
	switch f.kind {
	case never:
		return list{kind: never}
	case texts:
		return list{kind: texts, element: textElement, each: eachText(f), text: f}
	}
	return list{kind: unknown}
}

// document is the document that the term is of, if it is of one.
func (s *specialiser) document(t Term) (root, bool) {
	switch i := s.def.Arg(t.Arg); {
	case t.Element && s.inDocument:
		return elementRoot, true
	case !t.Element && t.Arg != "" && i >= 0 && s.def.Args[i].Kind == event.KindJSON:
		return root(i), true
	}
	return 0, false
}

// eachText goes through a list of texts. What the test lists itself comes behind it in the same memory.
func eachText(f field) func(*Scratch, *event.Event, test) bool {
	return func(sc *Scratch, ev *event.Event, t test) bool {
		sc.list = sc.list[:0]
		if !f.texts(sc, ev) {
			return false
		}
		all, old := sc.list, sc.element
		defer func() { sc.list, sc.element = all, old }()
		sc.list = all[len(all):]
		for _, sc.element = range all {
			if t(sc, ev) {
				return true
			}
		}
		return false
	}
}

// documentList goes through the elements that a path with wildcards leads to, each below the one before.
func documentList(r root, path []string) list {
	var levels [][]step
	for len(path) > 0 {
		n := slices.Index(path, "[]")
		p, ok := steps(path[:max(n, 0)])
		if n < 0 || !ok {
			return list{kind: unknown}
		}
		levels = append(levels, p)
		path = path[n+1:]
	}
	first := r.below(levels[0])
	return list{kind: document, element: documentElement, each: func(sc *Scratch, ev *event.Event, t test) bool {
		old := sc.value
		defer func() { sc.value = old }()
		return eachValue(sc, ev, first(sc, ev), levels[1:], t)
	}}
}

// eachValue goes through the elements of a value, and through what the levels lead to below each.
func eachValue(sc *Scratch, ev *event.Event, v rawjson.Value, levels [][]step, t test) bool {
	for l := v.Elements(); l.Next(); {
		if len(levels) > 0 {
			if eachValue(sc, ev, walk(l.Value, levels[0]), levels[1:], t) {
				return true
			}
		} else if sc.value = l.Value; t(sc, ev) {
			return true
		}
	}
	return false
}
