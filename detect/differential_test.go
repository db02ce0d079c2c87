package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/detect/input"
	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/plan"
	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

var (
	checks = flag.Int("checks", 8_000, "checks of the differential test: an event given to a rule by both ways")
	seed   = flag.Uint64("seed", 1, "seed of the differential test")
)

// oracle is OPA's own evaluator.
func oracle(t testing.TB, r *regoRule, ev *event.Event) (policy.Verdict, error) {
	t.Helper()
	doc, err := input.Document(ev, r.policy.AddressText)
	if err != nil {
		t.Fatal(err)
	}
	return r.policy.Eval(doc, 0)
}

func differentialRules(t testing.TB) []*regoRule {
	rules, errs := Load(Dir("../rules"), Dir("testdata/rules"), Dir("testdata/hard"))
	for _, err := range errs {
		t.Error(err)
	}
	var out []*regoRule
	for _, r := range rules {
		out = append(out, r.(*regoRule))
	}
	return out
}

// TestDifferential holds the compiled forms of every rule equal to OPA's evaluator: no match is lost by the native
// conditions, a condition that claims to be exact is, and the compiled plan gives the same answer.
func TestDifferential(t *testing.T) {
	rules := differentialRules(t)
	n := *checks / len(rules) * 4 / 5 // every fourth is checked with documents of other makers as well
	if testing.Short() {
		n /= 4
	}
	total, fired, exact := 0, 0, 0
	start := time.Now()
	for i, r := range rules {
		if _, err := r.policy.Plan(); err != nil {
			t.Errorf("%s has no plan: %v", r.meta.ID, err)
		}
		g := newGenerator(*seed+uint64(i)<<32, r)
		if len(g.defs) == 0 {
			t.Errorf("%s selects no event", r.meta.ID)
			continue
		}
		d := newDifference(r)
		for range n {
			o := g.next()
			hit, err := d.check(t, o)
			if err != nil {
				t.Errorf("%s: %v", r.meta.ID, err)
				break
			}
			total++
			if hit {
				g.matched(o)
				fired++
			}
			if total%5 == 3 {
				total++
				if err := d.foreign(t, g, o); err != nil {
					t.Errorf("%s: %v", r.meta.ID, err)
					break
				}
			}
		}
		// A generator that never makes a rule fire proves nothing.
		for tries := 0; len(g.hits) == 0 && tries < 50_000; tries++ {
			o := g.next()
			hit, err := d.check(t, o)
			if err != nil {
				t.Errorf("%s: %v", r.meta.ID, err)
				break
			}
			if hit {
				g.matched(o)
			}
		}
		if len(g.hits) == 0 {
			t.Errorf("%s never fired; its condition is %s", r.meta.ID, r.condition())
		}
		if d.exact() {
			exact++
		}
		if *checks > 100_000 && i%10 == 9 {
			t.Logf("rule %d of %d, %d checks, %d matches, %.0f s", i+1, len(rules), total, fired, time.Since(start).Seconds())
		}
	}
	t.Logf("%d checks, %d matches, %d of %d rules exact, %.0f s", total, fired, exact, len(rules), time.Since(start).Seconds())
}

// difference compares the ways for one rule.
type difference struct {
	rule     *regoRule
	programs map[*event.Def]*[3]*native.Program
	exactly  map[*event.Def]*[3]bool // whether the conditions are the whole rule
	given    native.Answers
	answers  map[*event.Def]*[3]answerWriter
	scratch  native.Scratch
	machine  plan.Machine
	wanted   map[string]event.Selection // what the sensor is asked for, for this rule alone
}

type answerWriter = func(*native.Scratch, *event.Event, []byte) ([]byte, bool)

// answer is what writes the rule's answer to such events.
func (d *difference) answer(ev *event.Event) answerWriter {
	a := d.answers[ev.Def]
	if a == nil {
		a = &[3]answerWriter{}
		for o := range a {
			a[o] = d.given.Compile(ev.Def, event.Origin(o), d.rule.policy.AddressText)
		}
		d.answers[ev.Def] = a
	}
	return a[ev.Origin()]
}

func newDifference(r *regoRule) *difference {
	d := &difference{
		rule: r, given: r.policy.Answers(), programs: map[*event.Def]*[3]*native.Program{}, exactly: map[*event.Def]*[3]bool{}, answers: map[*event.Def]*[3]answerWriter{}, wanted: map[string]event.Selection{},
	}
	e, err := New(Options{Rules: []Rule{r}, Enable: []string{r.meta.ID}})
	if err != nil {
		panic(err)
	}
	for _, s := range e.Selections() {
		d.wanted[s.Event] = s
	}
	for def := range selectedDefs(r) {
		var p [3]*native.Program
		var exact [3]bool
		for o := range p {
			b := native.NewBuilder(def, event.Origin(o))
			exact[o] = b.Add(0, r.condition(), r.policy.AddressText).Exact
			p[o] = b.Build()
		}
		d.programs[def], d.exactly[def] = &p, &exact
	}
	return d
}

func (d *difference) exact() bool {
	for _, exact := range d.exactly {
		if !exact[event.OriginContainer] {
			return false
		}
	}
	return true
}

func (d *difference) check(t testing.TB, o occurrence) (bool, error) { return d.event(t, o.build()) }

func (d *difference) event(t testing.TB, ev *event.Event) (bool, error) {
	want, wantErr := oracle(t, d.rule, ev)
	p := d.programs[ev.Def][ev.Origin()]
	p.Match(&d.scratch, ev)
	candidate := slices.Contains(d.scratch.Candidates, 0)
	describe := func() string { return fmt.Sprintf("%s\ncondition %s", ev.AppendJSON(nil), d.rule.condition()) }
	if want.Match && !candidate {
		return true, fmt.Errorf("a match is lost: %s", describe())
	}
	if sel, ok := d.wanted[ev.Def.Name]; want.Match && d.selects(ev) && (!ok || !Selected(sel, ev)) {
		return true, fmt.Errorf("a match does not leave the kernel: %s: %s", showClauses(ev.Def, sel.Clauses), describe())
	}
	if candidate && !want.Match && wantErr == nil && d.exactly[ev.Def][ev.Origin()] {
		return false, fmt.Errorf("the condition is not exact: %s", describe())
	}
	if want.Match && wantErr == nil && d.exactly[ev.Def][ev.Origin()] {
		if write := d.answer(ev); write != nil {
			if data, ok := write(&d.scratch, ev, nil); ok && !sameJSON(data, want.Data) {
				return true, fmt.Errorf("answer %s, OPA: %s: %s", data, want.Data, describe())
			}
		}
	}
	d.machine.Begin(ev)
	got, gotErr := d.rule.policy.Confirm(&d.machine, ev, 0)
	if got.Match != want.Match || !bytes.Equal(got.Data, want.Data) || !sameError(gotErr, wantErr) {
		return want.Match, fmt.Errorf("plan: %v %s %v, OPA: %v %s %v: %s", got.Match, got.Data, gotErr, want.Match, want.Data, wantErr, describe())
	}
	return want.Match, nil
}

// sameJSON compares values; numbers by their digits.
func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	for raw, v := range map[*[]byte]*any{&a: &x, &b: &y} {
		dec := json.NewDecoder(bytes.NewReader(*raw))
		dec.UseNumber()
		if dec.Decode(v) != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}

// foreign gives the rule documents that the catalogue does not describe: wrong types, arguments twice, unknown ones.
func (d *difference) foreign(t testing.TB, g *generator, o occurrence) error {
	var doc map[string]any
	if err := json.Unmarshal(o.build().AppendJSON(nil), &doc); err != nil {
		t.Fatal(err)
	}
	args, _ := doc["args"].([]any)
	for range 1 + g.r.IntN(2) {
		arg := map[string]any{"name": pick(g.r, append(g.strs, "pathname", "argv", "remote_addr")), "type": "int", "value": g.document(2)}
		if len(args) > 0 {
			victim := args[g.r.IntN(len(args))].(map[string]any)
			switch g.r.IntN(4) {
			case 0:
				victim["value"] = g.document(2)
			case 1:
				arg["name"], arg["value"] = victim["name"], g.document(1)
			case 2:
				arg["name"], arg["value"] = victim["name"], victim["value"]
			case 3:
				if m, ok := victim["value"].(map[string]any); ok && m["sa_family"] != nil { // the form of Tracee up to v0.6.3
					victim["value"] = strings.ReplaceAll(fmt.Sprintf("{'sa_family': '%v','sun_path': '%v'}", m["sa_family"], m["sun_path"]), "\"", "")
				}
			}
		}
		if name, ok := arg["name"].(string); ok {
			arg["name"] = strings.ToValidUTF8(name, "?")
		}
		args = append(args, arg)
	}
	doc["args"] = args
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := event.ParseJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr := oracle(t, d.rule, ev)
	d.machine.Begin(ev)
	got, gotErr := d.rule.policy.Confirm(&d.machine, ev, 0)
	if got.Match != want.Match || !bytes.Equal(got.Data, want.Data) || !sameError(gotErr, wantErr) {
		return fmt.Errorf("plan: %v %s %v, OPA: %v %s %v: %s", got.Match, got.Data, gotErr, want.Match, want.Data, wantErr, ev.AppendJSON(nil))
	}
	return nil
}

// selects reports whether the rule selects the event's name and origin.
func (d *difference) selects(ev *event.Event) bool {
	o, ok := originsOf(d.rule.Selectors(), ev.Def.Name)
	return ok && o.Has(ev.Origin())
}

func sameError(a, b error) bool {
	if errors.Is(a, policy.ErrConflict) || errors.Is(b, policy.ErrConflict) {
		return errors.Is(a, policy.ErrConflict) && errors.Is(b, policy.ErrConflict)
	}
	return (a == nil) == (b == nil)
}
