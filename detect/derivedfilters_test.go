package detect

import (
	"math/rand/v2"
	"testing"
)

// TestDerivedFilters derives the kernel's filters of rules drawn at random, which share and shorten them, and runs each event
// with and without: one that the filters hold back must be one that no rule matches.
func TestDerivedFilters(t *testing.T) {
	all := append(differentialRules(t), randomRules(t, *seed+1, 60)...)
	r := rand.New(rand.NewPCG(*seed, 9))
	sets, events := 12, 1500
	if testing.Short() {
		sets = 4
	}
	total, held, matched := 0, 0, 0
	for range sets {
		var rules []Rule
		var generators []*generator
		var ids []string
		for range 2 + r.IntN(60) {
			x := pick(r, all)
			seen := false
			for _, id := range ids {
				seen = seen || id == x.meta.ID
			}
			if seen {
				continue
			}
			rules, ids = append(rules, x), append(ids, x.meta.ID)
			generators = append(generators, newGenerator(r.Uint64(), x))
		}
		e, err := New(Options{Rules: rules, Enable: ids})
		if err != nil {
			t.Fatal(err)
		}
		matches := func() (n uint64) {
			for _, s := range e.Stats() {
				n += s.Matches
			}
			return n
		}
		wanted := map[string]int{}
		selections := e.Selections()
		for i, s := range selections {
			wanted[s.Event] = i
		}
		for range events {
			g := pick(r, generators)
			o := g.next()
			ev := o.build()
			i, selected := wanted[ev.Def.Name]
			passes := selected && Selected(selections[i], ev)
			before := matches()
			e.Handle(ev)
			total++
			if !passes {
				held++
			}
			if matches() == before {
				continue
			}
			matched++
			g.matched(o)
			if !passes {
				t.Fatalf("the filters %s of %q hold back what a rule matches: %s", showClauses(ev.Def, selections[i].Clauses), ids, ev.AppendJSON(nil))
			}
		}
	}
	t.Logf("%d events, %d matched, %d held back", total, matched, held)
	if held == 0 || matched == 0 {
		t.Error("nothing was held back, or nothing matched")
	}
}
