package native

import (
	"math"
	"slices"
	"unsafe"

	"github.com/tocsin-io/tocsin/event"
)

func scratchText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// test is a condition compiled for one kind of event.
type test func(*Scratch, *event.Event) bool

// leaf is an atom or a negation in a conjunction, with what an index needs of it.
type leaf struct {
	node *Node // as written
	test test
	cost int
	// anchor: the condition is that the text (or one of the texts) relates by op to one of strs.
	anchor bool
	field  field
}

// specialise resolves a condition for events of one kind. The result is in terms of leaves, True and False.
type specialised struct {
	op   Op // True, False, And, Or, or Is for a leaf
	kids []*specialised
	leaf *leaf
	// exact: nothing was left out, here or before.
	exact bool
}

type specialiser struct {
	def         *event.Def
	origin      event.Origin
	addressText bool
	// element resolves what is named in the element that Any looks at.
	element    func(path []string) field
	inDocument bool // that element is a value of a document
}

var (
	yes      = &specialised{op: True, exact: true}
	maybe    = &specialised{op: True}
	noAnswer = &specialised{op: False, exact: true}
)

func (s *specialiser) node(n *Node) *specialised {
	switch n.Op {
	case True:
		if n.Approx {
			return maybe
		}
		return yes
	case False:
		return noAnswer
	case And:
		out := &specialised{op: And, exact: true}
		for _, k := range n.Kids {
			x := s.node(k)
			out.exact = out.exact && x.exact
			switch x.op {
			case False:
				return noAnswer
			case True:
			case And:
				out.kids = append(out.kids, x.kids...)
			default:
				out.kids = append(out.kids, x)
			}
		}
		switch len(out.kids) {
		case 0:
			return &specialised{op: True, exact: out.exact}
		case 1:
			return &specialised{op: out.kids[0].op, kids: out.kids[0].kids, leaf: out.kids[0].leaf, exact: out.exact}
		}
		return out
	case Or:
		out := &specialised{op: Or, exact: true}
		for _, k := range n.Kids {
			x := s.node(k)
			out.exact = out.exact && x.exact
			switch x.op {
			case True:
				return x
			case False:
			case Or:
				out.kids = append(out.kids, x.kids...)
			default:
				out.kids = append(out.kids, x)
			}
		}
		switch len(out.kids) {
		case 0:
			return noAnswer
		case 1:
			return &specialised{op: out.kids[0].op, kids: out.kids[0].kids, leaf: out.kids[0].leaf, exact: out.exact}
		}
		return out
	case Not:
		x := s.node(n.Kids[0])
		switch {
		case !x.exact:
			return maybe
		case x.op == True:
			return noAnswer
		case x.op == False:
			return yes
		}
		inner, cost := compose(x)
		return &specialised{op: Is, exact: true, leaf: &leaf{node: n, cost: cost, test: func(sc *Scratch, ev *event.Event) bool { return !inner(sc, ev) }}}
	}
	if n.Op == Any {
		return s.anyElement(n)
	}
	return s.atom(n)
}

// textElement is an element of a list of texts.
func textElement(path []string) field {
	if len(path) > 0 {
		return neverField
	}
	return field{kind: text, always: true, text: func(s *Scratch, _ *event.Event) (string, bool) { return s.element, true }}
}

// anyElement resolves a condition on one element of a list.
func (s *specialiser) anyElement(n *Node) *specialised {
	l := s.list(n.Term)
	switch l.kind {
	case never:
		return noAnswer
	case unknown:
		return maybe
	}
	in := s.within(l)
	inner := in.node(n.Kids[0])
	switch {
	case inner.op == False:
		return noAnswer
	case inner.op == True && l.kind == other:
		return maybe
	case inner.op == True && l.kind == texts:
		return &specialised{op: Is, exact: inner.exact, leaf: s.defined(&Node{Op: Defined, Term: n.Term}, l.text).leaf}
	}
	t, cost := compose(inner)
	out := is(n, cost+12, func(sc *Scratch, ev *event.Event) bool { return l.each(sc, ev, t) })
	out.exact = inner.exact
	if l.kind == document {
		return out
	}
	if need := in.needed(n, inner); need != nil {
		return &specialised{op: And, exact: out.exact, kids: []*specialised{need, out}}
	}
	return out
}

// within resolves conditions on an element of the list.
func (s *specialiser) within(l list) *specialiser {
	inner := *s
	inner.element, inner.inDocument = l.element, l.kind == document
	return &inner
}

// resolve finds the term, before its functions.
func (s *specialiser) resolve(t Term) field {
	if t.Element {
		return s.element(t.Path)
	}
	return resolve(t, s.def, s.origin, s.addressText)
}

// needed is one of the conditions on an element by itself, on any element, which can be looked up; nil when there is none.
func (s *specialiser) needed(n *Node, inner *specialised) *specialised {
	kids := []*specialised{inner}
	if inner.op == And {
		kids = inner.kids
	}
	var anchors []*leaf
	best := -1
	for _, k := range kids {
		if list := alternatives(k); len(list) > 0 {
			if w := leastSelective(list); w > best {
				anchors, best = list, w
			}
		}
	}
	if anchors == nil {
		return nil
	}
	need := &specialised{op: Or, exact: true}
	for _, anchor := range anchors {
		n2 := *anchor.node
		n2.Term = n.Term
		n2.Term.Path = slices.Concat(n.Term.Path, anchor.node.Term.Path)
		n2.Term.Funcs = anchor.node.Term.Funcs
		need.kids = append(need.kids, s.atom(&n2))
	}
	if len(need.kids) == 1 {
		return need.kids[0]
	}
	return need
}

// alternatives returns the texts of which one must be there, or nil.
func alternatives(x *specialised) []*leaf {
	switch {
	case x.op == Is && x.leaf.anchor:
		return []*leaf{x.leaf}
	case x.op != Or:
		return nil
	}
	var out []*leaf
	for _, k := range x.kids {
		list := alternatives(k)
		if list == nil {
			return nil
		}
		out = append(out, list...)
	}
	return out
}

func leastSelective(list []*leaf) int {
	least := math.MaxInt
	for _, l := range list {
		least = min(least, l.selectivity())
	}
	return least
}

// compose makes one test of a tree.
func compose(x *specialised) (test, int) {
	switch x.op {
	case True:
		return func(*Scratch, *event.Event) bool { return true }, 0
	case False:
		return func(*Scratch, *event.Event) bool { return false }, 0
	case Is:
		return x.leaf.test, x.leaf.cost
	}
	tests := make([]test, len(x.kids))
	costs := make([]int, len(x.kids))
	order := make([]int, len(x.kids))
	total := 0
	for i, k := range x.kids {
		tests[i], costs[i] = compose(k)
		order[i] = i
		total += costs[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return costs[a] - costs[b] })
	sorted := make([]test, len(order))
	for i, o := range order {
		sorted[i] = tests[o]
	}
	if x.op == And {
		return func(s *Scratch, ev *event.Event) bool {
			for _, t := range sorted {
				if !t(s, ev) {
					return false
				}
			}
			return true
		}, total
	}
	return func(s *Scratch, ev *event.Event) bool {
		for _, t := range sorted {
			if t(s, ev) {
				return true
			}
		}
		return false
	}, total
}

func is(n *Node, cost int, t test) *specialised {
	return &specialised{op: Is, exact: true, leaf: &leaf{node: n, cost: cost, test: t}}
}

// Compile makes a test of one condition for events of a definition that come from an origin.
func Compile(n *Node, def *event.Def, origin event.Origin, addressText bool) func(*Scratch, *event.Event) bool {
	s := specialiser{def: def, origin: origin, addressText: addressText}
	t, _ := compose(s.node(n))
	return t
}
