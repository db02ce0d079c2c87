package detect

import (
	"flag"
	"slices"
	"testing"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
)

var everyMutant = flag.Bool("mutants", false, "make each mistake in every rule, not in ten where it is noticed")

// mutant is a mistake that the compiler could make, wherever it can make it.
type mutant struct {
	name string
	node func(*native.Node) bool // changes a condition; reports whether it did
	cond func(*event.Cond) bool  // … one of the kernel's
	// clause changes what else the kernel is asked.
	clause func(*event.Clause) bool
	answer func(*native.Answer) bool
}

func swapOp(a, b native.Op) func(*native.Node) bool {
	return func(n *native.Node) bool {
		switch n.Op {
		case a:
			n.Op = b
		case b:
			n.Op = a
		default:
			return false
		}
		return true
	}
}

func drop(op native.Op, keep int) func(*native.Node) bool {
	return func(n *native.Node) bool {
		if n.Op != op || len(n.Kids) <= keep {
			return false
		}
		n.Kids = n.Kids[:len(n.Kids)-1]
		return true
	}
}

var mutants = []mutant{
	{name: "prefix for suffix", node: swapOp(native.Prefix, native.Suffix)},
	{name: "prefix for contains", node: swapOp(native.Prefix, native.Contains)},
	{name: "equal for prefix", node: swapOp(native.Equal, native.Prefix)},
	{name: "less for less or equal", node: swapOp(native.Less, native.LessEqual)},
	{name: "greater for greater or equal", node: swapOp(native.Greater, native.GreaterEqual)},
	{name: "less for greater", node: swapOp(native.Less, native.Greater)},
	{name: "and for or", node: swapOp(native.And, native.Or)},
	{name: "last condition dropped", node: drop(native.And, 1)},
	{name: "last alternative dropped", node: drop(native.Or, 1)},
	{name: "last text dropped", node: func(n *native.Node) bool {
		if len(n.Strs) < 2 || n.Other != nil {
			return false
		}
		n.Strs = n.Strs[:len(n.Strs)-1]
		return true
	}},
	{name: "number off by one", node: func(n *native.Node) bool {
		if len(n.Nums) == 0 || n.Op == native.Is || n.Op == native.BitsAny {
			return false
		}
		n.Nums = slices.Clone(n.Nums)
		n.Nums[0]++
		return true
	}},
	{name: "text cut short", node: func(n *native.Node) bool {
		if len(n.Strs) == 0 || n.Other != nil || n.Strs[0] == "" {
			return false
		}
		n.Strs = slices.Clone(n.Strs)
		n.Strs[0] = n.Strs[0][:len(n.Strs[0])-1]
		return true
	}},
	{name: "negation forgotten", node: func(n *native.Node) bool {
		if n.Op != native.Not {
			return false
		}
		*n = *n.Kids[0]
		return true
	}},
	{name: "negation taken for true", node: func(n *native.Node) bool {
		if n.Op != native.Not {
			return false
		}
		*n = *native.Const(true)
		return true
	}},
	{name: "function forgotten", node: func(n *native.Node) bool {
		ok := len(n.Term.Funcs) > 0
		n.Term.Funcs = nil
		return ok
	}},
	{name: "element one further", node: func(n *native.Node) bool {
		i := slices.Index(n.Term.Path, "[0]")
		if i < 0 {
			return false
		}
		n.Term.Path = slices.Clone(n.Term.Path)
		n.Term.Path[i] = "[1]"
		return true
	}},
	{name: "not known taken for exact", node: func(n *native.Node) bool { ok := n.Approx; n.Approx = false; return ok }},
	{name: "kernel: prefix for suffix", cond: func(c *event.Cond) bool {
		switch c.Op {
		case event.OpPrefix:
			c.Op = event.OpSuffix
		case event.OpSuffix:
			c.Op = event.OpPrefix
		default:
			return false
		}
		return true
	}},
	{name: "kernel: last text dropped", cond: func(c *event.Cond) bool {
		ok := len(c.Strs) > 1
		if ok {
			c.Strs = c.Strs[:len(c.Strs)-1]
		}
		return ok
	}},
	{name: "kernel: number off by one", cond: func(c *event.Cond) bool {
		ok := len(c.Nums) == 1
		if ok {
			c.Nums = []uint64{c.Nums[0] + 1}
		}
		return ok
	}},
	{name: "kernel: bits off by one", cond: func(c *event.Cond) bool {
		ok := c.Op == event.OpBits
		if c.Nums = slices.Clone(c.Nums); ok {
			for i := 1; i < len(c.Nums); i += 2 {
				c.Nums[i]++
			}
		}
		return ok
	}},
	{name: "kernel: negation forgotten", cond: func(c *event.Cond) bool { ok := c.Not; c.Not = false; return ok }},
	{name: "kernel: negated", cond: func(c *event.Cond) bool { c.Not = !c.Not; return true }},
	{name: "kernel: wrong origins", clause: func(c *event.Clause) bool {
		ok := c.Origins != 0
		c.Origins = allOrigins &^ c.Origins
		return ok
	}},
	{name: "answer: two values exchanged", answer: func(a *native.Answer) bool {
		if len(a.Members) < 2 {
			return false
		}
		x, y := &a.Members[0], &a.Members[1]
		x.JSON, y.JSON, x.Term, y.Term = y.JSON, x.JSON, y.Term, x.Term
		return true
	}},
	{name: "answer: a value lost", answer: func(a *native.Answer) bool {
		ok := len(a.Members) > 0
		if ok {
			a.Members = a.Members[1:]
		}
		return ok
	}},
}

// mutate applies a change to a copy of the condition, at every place, and says at how many.
func mutate(n *native.Node, change func(*native.Node) bool) (*native.Node, int) {
	c, places := *n, 0
	c.Kids = make([]*native.Node, len(n.Kids))
	for i, k := range n.Kids {
		var more int
		c.Kids[i], more = mutate(k, change)
		places += more
	}
	if change(&c) {
		places++
	}
	return &c, places
}

// apply returns the comparison with the mistake in it; nil where the rule has no place for it.
func (m mutant) apply(r *regoRule) *difference {
	if m.node != nil {
		cond, places := mutate(r.condition(), m.node)
		if places == 0 {
			return nil
		}
		wrong := *r
		wrong.condition = func() *native.Node { return cond }
		return newDifference(&wrong)
	}
	d := newDifference(r)
	if m.answer != nil {
		answers := slices.Clone(r.policy.Answers())
		places := 0
		for i := range answers {
			a := *answers[i].Answer
			a.Members = slices.Clone(a.Members)
			if m.answer(&a) {
				places++
			}
			answers[i].Answer = &a
		}
		d.given = answers
		if places == 0 {
			return nil
		}
		return d
	}
	places := 0
	for name, sel := range d.wanted {
		sel.Clauses = slices.Clone(sel.Clauses)
		for i := range sel.Clauses {
			c := &sel.Clauses[i]
			c.Conds = slices.Clone(c.Conds)
			if m.clause != nil && m.clause(c) {
				places++
			}
			for j := range c.Conds {
				if m.cond != nil && m.cond(&c.Conds[j]) {
					places++
				}
			}
		}
		d.wanted[name] = sel
	}
	if places == 0 {
		return nil
	}
	return d
}

// TestMutants makes mistakes in what rules were compiled to. The differential test must notice each kind of them: else its events
// are not the right ones.
func TestMutants(t *testing.T) {
	rules := append(differentialRules(t), randomRules(t, 3, 60)...)
	const events = 300
	made, caught := map[string]int{}, map[string]int{}
	for i, r := range rules {
		g := newGenerator(uint64(i), r)
		right := newDifference(r)
		var trials []occurrence
		for range events {
			o := g.next()
			hit, err := right.check(t, o)
			if err != nil {
				t.Fatalf("%s without a mistake: %v", r.meta.ID, err)
			}
			if hit {
				g.matched(o)
			}
			trials = append(trials, o)
		}
		for _, m := range mutants {
			if caught[m.name] >= 10 && !*everyMutant {
				continue
			}
			d := m.apply(r)
			if d == nil {
				continue
			}
			made[m.name]++
			if slices.ContainsFunc(trials, func(o occurrence) bool { _, err := d.check(t, o); return err != nil }) {
				caught[m.name]++
			}
		}
	}
	for _, m := range mutants {
		t.Logf("%-30s made in %3d rules, noticed in %3d", m.name, made[m.name], caught[m.name])
		if caught[m.name] == 0 {
			t.Errorf("%s: made in %d rules, and not noticed", m.name, made[m.name])
		}
	}
}
