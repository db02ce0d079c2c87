package detect

import (
	"slices"
	"testing"
)

// TestDifferentialRecorded holds the compiled forms of the built-in rules equal to OPA's evaluator on what happened on real
// machines: ordinary work, and what each rule is for.
func TestDifferentialRecorded(t *testing.T) {
	rules := differentialRules(t)
	var built []Rule
	for _, r := range rules {
		built = append(built, r)
	}
	ordinary, attacks := realistic(t, built)
	// A run of the usual length takes every so manyth ordinary event; those of each rule it takes all.
	every := max(1, 400_000/max(*checks, 1))
	total, hits := 0, 0
	for i, r := range rules {
		d := newDifference(r)
		for n, ev := range slices.Concat(attacks, ordinary) {
			if ev.Def.Dynamic || d.programs[ev.Def] == nil || n >= len(attacks) && (n+i)%every != 0 {
				continue
			}
			total++
			hit, err := d.event(t, ev)
			if err != nil {
				t.Errorf("%s: %v", r.meta.ID, err)
				break
			}
			if hit {
				hits++
			}
		}
	}
	t.Logf("%d checks, %d matches", total, hits)
	if hits == 0 {
		t.Error("no rule matched")
	}
}
