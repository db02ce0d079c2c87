package native

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/event"
)

// Program finds, for events of one kind and origin, the rules that may match. It is immutable once built.
type Program struct {
	always []int32 // rules without a condition
	groups []group // conditions with a text to look up, by field
	linear []int32 // bodies without one
	bodies []body
	rules  int // the highest rule number plus one
}

// group looks one field's text up in an index. The ids found are numbers of bodies.
type group struct {
	field field
	index *textIndex
}

// body is a conjunction: once its anchor is found the rest decides.
type body struct {
	rule int32
	rest []test
}

// Builder gathers rules for a Program.
type Builder struct {
	spec   specialiser
	always []int32
	parts  []part
	rules  int
}

// part is a body before it is built.
type part struct {
	rule   int32
	anchor *leaf // nil: none
	rest   []*leaf
}

// maxBodies bounds how far nested alternatives of one rule are multiplied out; what is beyond is tested as a whole.
const maxBodies = 512

// NewBuilder starts a program for events of a definition that come from an origin.
func NewBuilder(def *event.Def, origin event.Origin) *Builder {
	return &Builder{spec: specialiser{def: def, origin: origin}}
}

// Clauses say what a rule asks of events of one kind: it can match only if one of them holds.
type Clauses struct {
	Any   [][]*Node // conjunctions of conditions; a nil slice never holds, an empty conjunction always
	Exact bool      // the rule matches if and only if one of them holds
}

// Add adds a rule under a number, and says what it asks of the events. addressText: it reads socket addresses as text. A nil condition always holds.
func (b *Builder) Add(rule int32, cond *Node, addressText bool) *Clauses {
	b.rules = max(b.rules, int(rule)+1)
	b.spec.addressText = addressText
	x := maybe
	if cond != nil {
		x = b.spec.node(cond)
	}
	c := &Clauses{Exact: x.exact}
	for _, leaves := range conjunctions(x) {
		nodes := make([]*Node, len(leaves))
		for i, l := range leaves {
			nodes[i] = l.node
		}
		c.Any = append(c.Any, nodes)
		if len(leaves) == 0 {
			b.always = append(b.always, rule)
			b.parts = slices.DeleteFunc(b.parts, func(p part) bool { return p.rule == rule })
			c.Any = [][]*Node{{}}
			return c
		}
	}
	for _, p := range parts(x) {
		p.rule = rule
		slices.SortStableFunc(p.rest, func(a, b *leaf) int { return a.cost - b.cost })
		b.parts = append(b.parts, p)
	}
	return c
}

// parts splits a condition into conjunctions that each have one text to look up, if there is one. Of what must hold together only
// the part with the best texts is split: the others are tested as a whole, so that a rule that names twenty programs and thirty
// arguments has twenty parts, not six hundred.
func parts(x *specialised) []part {
	switch x.op {
	case False:
		return nil
	case True:
		return []part{{}}
	case Is:
		if x.leaf.anchor {
			return []part{{anchor: x.leaf}}
		}
		return []part{{rest: []*leaf{x.leaf}}}
	case Or:
		var out []part
		for _, k := range x.kids {
			out = append(out, parts(k)...)
		}
		return out
	}
	best, bestWorth := -1, 0
	var split []part
	for i, k := range x.kids {
		list := parts(k)
		if len(list) == 0 {
			return nil
		}
		if w := worth(list); best < 0 || w > bestWorth || w == bestWorth && len(list) < len(split) {
			best, bestWorth, split = i, w, list
		}
	}
	var others []*leaf
	for i, k := range x.kids {
		switch {
		case i == best || k.op == True:
		case k.op == Is:
			others = append(others, k.leaf)
		default:
			t, cost := compose(k)
			others = append(others, &leaf{node: k.written(), test: t, cost: cost})
		}
	}
	if best < 0 {
		return []part{{}}
	}
	out := make([]part, len(split))
	for i, p := range split {
		out[i] = part{anchor: p.anchor, rest: slices.Concat(p.rest, others)}
	}
	return out
}

// worth is how seldom the least selective of the texts is found; below 0 when a part has none.
func worth(list []part) int {
	least := math.MaxInt
	for _, p := range list {
		if p.anchor == nil {
			return -1
		}
		least = min(least, p.anchor.selectivity())
	}
	return least
}

// conjunctions multiplies a condition out.
func conjunctions(x *specialised) [][]*leaf {
	switch x.op {
	case False:
		return nil
	case True:
		return [][]*leaf{{}}
	case Is:
		return [][]*leaf{{x.leaf}}
	case Or:
		var out [][]*leaf
		for _, k := range x.kids {
			out = append(out, conjunctions(k)...)
		}
		return out
	}
	out := [][]*leaf{{}}
	for _, k := range x.kids {
		more := conjunctions(k)
		if len(out)*len(more) > maxBodies && len(more) > 1 {
			t, cost := compose(k)
			more = [][]*leaf{{{node: k.written(), test: t, cost: cost}}}
		}
		next := make([][]*leaf, 0, len(out)*len(more))
		for _, a := range out {
			for _, m := range more {
				next = append(next, slices.Concat(a, m))
			}
		}
		out = next
	}
	return out
}

// written is the condition that x was made from, without what was left out.
func (x *specialised) written() *Node {
	switch x.op {
	case Is:
		return x.leaf.node
	case True, False:
		return Const(x.op == True)
	}
	n := &Node{Op: x.op}
	for _, k := range x.kids {
		n.Kids = append(n.Kids, k.written())
	}
	return n
}

// selectivity guesses how seldom the condition holds: the longer the shortest text, the better.
func (l *leaf) selectivity() int {
	shortest := len(l.node.Strs[0])
	for _, s := range l.node.Strs {
		shortest = min(shortest, len(s))
	}
	n := shortest
	switch l.node.Op {
	case Equal:
		n += 40
	case Prefix, Suffix:
		n += 10
	}
	if l.field.kind == texts {
		n -= 15
	}
	return n
}

// Build makes the program.
func (b *Builder) Build() *Program {
	p := &Program{always: slices.Compact(slices.Sorted(slices.Values(b.always))), rules: b.rules}
	byTerm := map[string]int{}
	merged := map[string]int32{} // bodies of one rule that differ in the anchor's text alone are one
	for _, part := range b.parts {
		key := part.key()
		id, ok := merged[key]
		if !ok {
			id = int32(len(p.bodies))
			merged[key] = id
			rest := make([]test, len(part.rest))
			for i, l := range part.rest {
				rest[i] = l.test
			}
			p.bodies = append(p.bodies, body{rule: part.rule, rest: rest})
			if part.anchor == nil {
				p.linear = append(p.linear, id)
			}
		}
		if part.anchor == nil {
			continue
		}
		term := part.anchor.node.Term.String()
		if part.anchor.field.kind == texts {
			term = "any " + term
		}
		g, ok := byTerm[term]
		if !ok {
			g = len(p.groups)
			byTerm[term] = g
			p.groups = append(p.groups, group{field: part.anchor.field, index: newTextIndex()})
		}
		for _, s := range part.anchor.node.Strs {
			p.groups[g].index.add(part.anchor.node.Op, s, id)
		}
	}
	for _, g := range p.groups {
		g.index.finish()
	}
	return p
}

func (p *part) key() string {
	var b strings.Builder
	b.WriteString(string(p.rule))
	if p.anchor != nil {
		b.WriteString(p.anchor.node.Term.String())
	}
	rest := make([]string, len(p.rest))
	for i, l := range p.rest {
		rest[i] = l.node.Key()
	}
	slices.Sort(rest)
	for _, r := range rest {
		b.WriteString("\x00" + r)
	}
	return b.String()
}

// Empty reports whether no event can be a candidate for anything.
func (p *Program) Empty() bool { return len(p.always) == 0 && len(p.bodies) == 0 }

// Match leaves in s.Candidates the rules that may match the event, each once, in no order.
func (p *Program) Match(s *Scratch, ev *event.Event) {
	s.Candidates = append(s.Candidates[:0], p.always...)
	s.at, s.opened = ev, s.opened[:0]
	if len(p.bodies) == 0 {
		return
	}
	if len(s.seen) < p.rules {
		s.seen = append(s.seen, make([]uint64, p.rules-len(s.seen))...)
	}
	s.event++
	for i := range p.groups {
		g := &p.groups[i]
		s.hits = s.hits[:0]
		if g.field.kind == text {
			if v, ok := g.field.text(s, ev); ok {
				s.hits = g.index.find(v, s.hits)
			}
		} else {
			s.list = s.list[:0]
			if g.field.texts(s, ev) {
				for _, v := range s.list {
					s.hits = g.index.find(v, s.hits)
				}
			}
		}
		// The tests of the bodies reuse the memory that the texts were in: they come after all look-ups.
		for _, id := range s.hits {
			p.body(s, ev, id)
		}
	}
	for _, id := range p.linear {
		p.body(s, ev, id)
	}
}

func (p *Program) body(s *Scratch, ev *event.Event, id int32) {
	b := &p.bodies[id]
	if s.seen[b.rule] == s.event {
		return
	}
	for _, t := range b.rest {
		if !t(s, ev) {
			return
		}
	}
	s.seen[b.rule] = s.event
	s.Candidates = append(s.Candidates, b.rule)
}

// Size is the number of indexed fields, indexed and linear bodies, and rules without a condition.
func (p *Program) Size() (groups, indexed, linear, always int) {
	return len(p.groups), len(p.bodies) - len(p.linear), len(p.linear), len(p.always)
}

// Key is a text that equal conditions share.
func (n *Node) Key() string {
	var b strings.Builder
	n.key(&b)
	return b.String()
}

func (n *Node) key(b *strings.Builder) {
	b.WriteString(opNames[n.Op] + "\x01" + n.Term.String())
	for _, s := range n.Strs {
		b.WriteString("\x02" + s)
	}
	for _, v := range n.Nums {
		b.WriteString("\x03" + strconv.FormatInt(v, 10))
	}
	if n.Other != nil {
		b.WriteString("\x06" + n.Other.String())
	}
	if n.Approx {
		b.WriteString("?" + n.Why)
	}
	for _, k := range n.Kids {
		b.WriteByte('\x04')
		k.key(b)
	}
	b.WriteByte('\x05')
}
