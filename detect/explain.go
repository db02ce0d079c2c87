package detect

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/event"
)

// Explanation says where each part of a rule runs, and why.
type Explanation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	File string `json:"file,omitempty"`
	Go   bool   `json:"go,omitempty"` // written in Go: asked about every event that it selects
	// Address is the form in which the rule reads socket addresses, "text" or "object"; empty when it reads none.
	Address string `json:"address,omitempty"`
	// Confirm is how a candidate is confirmed: "plan" (OPA's plan, compiled) or "opa" (its evaluator), with the reason.
	Confirm    string             `json:"confirm,omitempty"`
	ConfirmWhy string             `json:"confirmWhy,omitempty"`
	Events     []EventExplanation `json:"events"`
}

// EventExplanation is about one kind of event that a rule selects.
type EventExplanation struct {
	Event string `json:"event"`
	// Kernel is what the sensor is asked for: conditions that it can judge. Empty means every occurrence.
	Kernel string `json:"kernel,omitempty"`
	// Never: no event of this kind can match.
	Never bool `json:"never,omitempty"`
	// Alternatives are the native conditions, of which one must hold; all of one's conditions must.
	Alternatives [][]Condition `json:"alternatives"`
	// Exact: the native conditions hold if and only if the rule matches.
	Exact   bool     `json:"exact"`
	LeftOut []string `json:"leftOut,omitempty"` // what they leave to OPA
	// Of the recorded events of this kind:
	Seen       int `json:"seen"`       // that the rule selects by name and origin
	Kept       int `json:"kept"`       // that the sensor would deliver for this rule
	Candidates int `json:"candidates"` // that the native conditions let through
	Matches    int `json:"matches"`
}

// Condition is one native condition.
type Condition struct {
	Text string `json:"text"`
	// Holds of the recorded events of this kind, and what asking costs; both are only there if events were given.
	Holds int     `json:"holds"`
	Nanos float64 `json:"nanos"`
}

// Explain says where the parts of the rules run. recorded events, which may be none, give selectivity and cost.
func Explain(rules []Rule, recorded []*event.Event) ([]Explanation, error) {
	byName := map[string][]*event.Event{}
	for _, ev := range recorded {
		if !ev.Def.Dynamic {
			byName[ev.Def.Name] = append(byName[ev.Def.Name], ev)
		}
	}
	out := make([]Explanation, 0, len(rules))
	for _, r := range rules {
		x, err := explain(r, byName)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func explain(r Rule, recorded map[string][]*event.Event) (Explanation, error) {
	meta := r.Metadata()
	x := Explanation{ID: meta.ID, Name: meta.Name, File: meta.File, Events: []EventExplanation{}}
	rr, isRego := r.(*regoRule)
	x.Go = !isRego
	if isRego {
		x.Confirm = "plan"
		if _, err := rr.policy.Plan(); err != nil {
			x.Confirm, x.ConfirmWhy = "opa", err.Error()
		}
		if rr.policy.ReadsAddress() {
			x.Address = "object"
			if rr.policy.AddressText {
				x.Address = "text"
			}
		}
	}
	e, err := New(Options{Enable: []string{meta.ID}})
	if err != nil {
		return x, err
	}
	set, err := e.gather([]Rule{r}) // what a set in force has given up is wanted here
	if err != nil {
		return x, err
	}
	for _, def := range set.defs() {
		if d := set.dispatch(def.Name, def); len(d.entries) > 0 {
			x.Events = append(x.Events, explainEvent(def, d, rr, recorded[def.Name]))
		}
	}
	return x, nil
}

func explainEvent(def *event.Def, d *dispatch, r *regoRule, recorded []*event.Event) EventExplanation {
	x := EventExplanation{Event: def.Name, Alternatives: [][]Condition{}, Exact: true}
	sel, wanted := d.selection(def)
	x.Kernel, x.Never = showClauses(def, sel.Clauses), !wanted
	en := d.entries[0]
	var nodes [][]*native.Node
	for o := range d.programs {
		if !en.origins.Has(event.Origin(o)) {
			continue
		}
		c := d.clauses[o][en.number]
		x.Exact = x.Exact && c.Exact
		nodes = append(nodes, c.Any...)
	}
	if r != nil {
		if !x.Exact {
			x.LeftOut = distinct(r.condition().Reasons())
		}
	} else {
		x.Exact = false
	}
	var seen []*event.Event
	for _, ev := range recorded {
		if en.origins.Has(ev.Origin()) {
			seen = append(seen, ev)
		}
	}
	x.Seen = len(seen)
	var sc native.Scratch
	for _, ev := range seen {
		p := d.programs[ev.Origin()]
		p.Match(&sc, ev)
		if len(sc.Candidates) > 0 {
			x.Candidates++
			if m, _ := en.rule.Match(&evalContext{deadline: time.Now().Add(DefaultTimeout)}, ev); m != nil {
				x.Matches++
			}
		}
		if Selected(sel, ev) {
			x.Kept++
		}
	}
	for _, conj := range uniteAlternatives(nodes) {
		alt := []Condition{}
		for _, n := range conj {
			c := Condition{Text: n.String()}
			if len(seen) > 0 && r != nil {
				c.Holds, c.Nanos = measure(def, n, r.policy.AddressText, seen)
			}
			alt = append(alt, c)
		}
		x.Alternatives = append(x.Alternatives, alt)
	}
	return x
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// measure asks one condition about the events: how often it holds, and for how many nanoseconds each time.
func measure(def *event.Def, n *native.Node, addressText bool, events []*event.Event) (holds int, nanos float64) {
	var tests [3]func(*native.Scratch, *event.Event) bool
	for o := range tests {
		tests[o] = native.Compile(n, def, event.Origin(o), addressText)
	}
	var sc native.Scratch
	for _, ev := range events {
		if tests[ev.Origin()](&sc, ev) {
			holds++
		}
	}
	runtime.LockOSThread() // CPU time is the thread's
	defer runtime.UnlockOSThread()
	rounds := 1 + 20_000/len(events)
	start := threadTime()
	for range rounds {
		for _, ev := range events {
			tests[ev.Origin()](&sc, ev)
		}
	}
	return holds, float64(threadTime()-start) / float64(rounds*len(events))
}

// uniteAlternatives makes one of conjunctions that differ in the texts of one condition alone.
func uniteAlternatives(list [][]*native.Node) [][]*native.Node {
	widest := 0
	for i, conj := range list {
		list[i] = withoutRepeats(conj)
		widest = max(widest, len(list[i]))
	}
	for changed := true; changed; {
		changed = false
		for pos := -1; pos < widest; pos++ {
			at := map[string]int{}
			var out [][]*native.Node
			for _, conj := range list {
				k := alternativeKey(conj, pos)
				i, ok := at[k]
				if k == "" || !ok {
					at[k] = len(out)
					out = append(out, conj)
					continue
				}
				changed = true
				if pos >= 0 {
					u := *out[i][pos]
					u.Strs = unite(u.Strs, conj[pos].Strs)
					slices.Sort(u.Strs)
					out[i] = slices.Clone(out[i])
					out[i][pos] = &u
				}
			}
			list = out
		}
	}
	return list
}

// withoutRepeats drops conditions that stand twice in a conjunction, and "has a value" where another condition on the
// same value says so.
func withoutRepeats(conj []*native.Node) []*native.Node {
	said := map[string]bool{}
	for _, n := range conj {
		if n.Op > native.Assumed {
			said[n.Term.String()] = true
		}
	}
	seen := map[string]bool{}
	var out []*native.Node
	for _, n := range conj {
		k := n.Key()
		if seen[k] || (n.Op <= native.Assumed && n.Op >= native.Defined && said[n.Term.String()]) {
			continue
		}
		seen[k] = true
		out = append(out, n)
	}
	return out
}

// alternativeKey is what conjunctions that differ in the texts of the condition at pos share; pos -1 is none.
func alternativeKey(conj []*native.Node, pos int) string {
	if pos >= len(conj) || (pos >= 0 && (conj[pos].Op < native.Equal || conj[pos].Op > native.Contains)) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", len(conj))
	for i, n := range conj {
		b.WriteByte(0)
		if i == pos {
			fmt.Fprintf(&b, "%d %s", n.Op, n.Term)
		} else {
			b.WriteString(n.Key())
		}
	}
	return b.String()
}

// Cost is what a rule, or the whole set, costs for each event of a recording.
type Cost struct {
	ID      string  `json:"id"` // empty for the whole set
	Events  int     `json:"events"`
	Matches uint64  `json:"matches"`
	Nanos   float64 `json:"nanos"`  // CPU time for one event
	Allocs  float64 `json:"allocs"` // allocations for one event
}

// Bench measures the rules on recorded events: first the whole set, then each rule by itself. each is called with every
// result as it comes. effort is about how long one measurement takes; 0 means 50 ms.
func Bench(rules []Rule, recorded []*event.Event, effort time.Duration, each func(Cost)) error {
	if len(recorded) == 0 {
		return fmt.Errorf("bench: no events: give it a recording (tocsin trace --record FILE)")
	}
	if effort <= 0 {
		effort = 50 * time.Millisecond
	}
	runtime.LockOSThread() // CPU time is the thread's
	defer runtime.UnlockOSThread()
	one := func(id string, set []Rule, events []*event.Event) error {
		e, err := New(Options{Rules: set, Enable: []string{id}})
		if err != nil {
			return err
		}
		for _, ev := range events { // makes what is made at first use
			e.Handle(ev)
		}
		c := Cost{ID: id, Events: len(events)}
		for _, s := range e.Stats() {
			c.Matches += s.Matches
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start, n := threadTime(), 0
		for threadTime()-start < effort {
			for _, ev := range events {
				e.Handle(ev)
			}
			n += len(events)
		}
		c.Nanos = float64(threadTime()-start) / float64(max(n, 1))
		runtime.ReadMemStats(&after)
		c.Allocs = float64(after.Mallocs-before.Mallocs) / float64(max(n, 1))
		each(c)
		return nil
	}
	if err := one("", rules, recorded); err != nil {
		return err
	}
	for _, r := range rules {
		if err := one(r.Metadata().ID, []Rule{r}, recorded); err != nil {
			return err
		}
	}
	return nil
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil { // only for wrong arguments
		panic(err)
	}
	return time.Duration(ts.Nano())
}
