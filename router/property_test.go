package router

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-io/tocsin/finding"
)

// reload is what a restart does to the router's memory: all of it goes through JSON.
func reload(t *rapid.T, st *State) *State {
	out := NewState(st.Now, st.Silences)
	copyOf := func(from, to any) {
		b, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(b, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyOf(st.Known, &out.Known)
	copyOf(st.Threads, &out.Threads)
	copyOf(st.Sources, &out.Sources)
	copyOf(st.Buckets, &out.Buckets)
	copyOf(st.Findings, &out.Findings)
	for _, a := range st.Alerts {
		x := &Alert{Key: a.Key, Last: a.Last}
		copyOf(a.Alert, &x.Alert)
		out.AddAlert(x)
	}
	return out
}

// drive feeds findings at their times and lets everything due happen; restart says before which steps the memory goes
// through JSON.
func drive(t *rapid.T, tab *Table, list []finding.Finding, end time.Time, restart func(step int) bool) []finding.Notification {
	var out []finding.Notification
	st := NewState(list[0].Time, nil)
	step := 0
	do := func(f func()) {
		if restart(step) {
			st = reload(t, st)
		}
		step++
		f()
		out = append(out, st.Notifications...)
		st.reset()
	}
	until := func(now time.Time) {
		for {
			due := st.NextDue()
			if due.IsZero() || due.After(now) {
				break
			}
			if due.Before(st.Now) {
				t.Fatalf("due at %v, and it is %v", due, st.Now)
			}
			st.Now = due
			do(func() { tab.Flush(st) })
		}
		st.Now = now
	}
	for i := range list {
		until(list[i].Time)
		do(func() { tab.Apply(st, refs(list[i])) })
	}
	until(end)
	return out
}

func TestProperties(t *testing.T) {
	techniques := []string{"T1611", "T1055.008", "T1059.004", "T1552.004"}
	rapid.Check(t, func(t *rapid.T) {
		wait := time.Duration(rapid.IntRange(0, 10).Draw(t, "wait")) * time.Second
		window := time.Duration(rapid.IntRange(0, 600).Draw(t, "window")) * time.Second
		cfg := Config{
			Outputs: map[string]Output{"soc": {}, "siem": {}},
			Times:   map[string]Times{"some": {Hours: "09:00-09:30,12:00-13:00"}},
			Routes: []Route{
				{Name: "evidence", Outputs: []string{"siem"}, Group: &Group{None: true}, Never: true, Continue: true},
				{Name: "held", Match: map[string]any{"rule": "r2"}, Outputs: []string{"soc"}, Group: &Group{Wait: &wait, Window: &window}, During: []string{"some"}},
				{Name: "rest", Outputs: []string{"soc"}, Group: &Group{Wait: &wait, Window: &window}},
			},
		}
		limited := rapid.Bool().Draw(t, "limited")
		if limited {
			cfg.Outputs["soc"] = Output{Rate{Limit: rapid.IntRange(1, 5).Draw(t, "limit"), Per: time.Minute}}
		}
		tab, err := Compile(cfg)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 60).Draw(t, "n")
		var list []finding.Finding
		at := time.Duration(0)
		for i := range n {
			at += time.Duration(rapid.IntRange(0, 300).Draw(t, "gap")) * time.Second
			list = append(list, mk(fmt.Sprintf("f%02d", i), fmt.Sprint("r", rapid.IntRange(0, 2).Draw(t, "rule")), at,
				finding.Severity(rapid.IntRange(0, 4).Draw(t, "severity")), techniques[rapid.IntRange(0, len(techniques)-1).Draw(t, "technique")]))
		}
		end := t0.Add(at + 48*time.Hour)
		plain := drive(t, tab, list, end, func(int) bool { return false })

		ids, single, told, digests := map[string]bool{}, 0, uint64(0), 0
		at0 := map[time.Time]bool{}
		for _, x := range plain {
			if ids[x.ID] {
				t.Fatalf("the id %s is used twice", x.ID)
			}
			ids[x.ID] = true
			switch x.Kind {
			case finding.KindFinding:
				single++
			case finding.KindDigest:
				digests += len(x.Digest)
			default:
				told += uint64(len(x.Findings)) + x.Omitted
				at0[x.Time] = true
			}
		}
		if single != n {
			t.Fatalf("%d of %d findings went to the output that gets each", single, n)
		}
		if !limited && told != uint64(n) {
			t.Fatalf("told of %d findings, want %d", told, n)
		}
		if limited && told < uint64(n) && digests == 0 {
			t.Fatalf("told of %d findings of %d, and there is no digest", told, n)
		}

		// Whatever was told of an alert, a rise in severity or a new technique after that is told at once.
		type seen struct {
			severity   finding.Severity
			techniques map[string]bool
			told       bool
		}
		groups := map[string]*seen{}
		for _, f := range list {
			g := groups[f.Rule.ID]
			if g == nil {
				g = &seen{f.Severity, map[string]bool{}, false}
				groups[f.Rule.ID] = g
				for _, a := range f.Attack {
					g.techniques[attackID(a)] = true
				}
				continue
			}
			novel := f.Severity > g.severity
			g.severity = max(g.severity, f.Severity)
			for _, a := range f.Attack {
				novel = novel || !g.techniques[attackID(a)]
				g.techniques[attackID(a)] = true
			}
			if !novel {
				continue
			}
			limit, ok := f.Time.Add(wait), false
			for when := range at0 {
				ok = ok || (!when.Before(f.Time) && !when.After(limit))
			}
			if !ok {
				t.Fatalf("%s was new to its group at %v, and nobody was told by %v", f.ID, f.Time, limit)
			}
		}

		restarts := rapid.SliceOfN(rapid.Bool(), 200, 200).Draw(t, "restarts")
		again := drive(t, tab, list, end, func(step int) bool { return restarts[step%len(restarts)] })
		if len(again) != len(plain) {
			t.Fatalf("%d notifications with restarts, %d without", len(again), len(plain))
		}
		for i := range plain {
			if plain[i].ID != again[i].ID || plain[i].Kind != again[i].Kind || !plain[i].Time.Equal(again[i].Time) {
				t.Fatalf("with restarts, notification %d is %s %s, not %s %s", i, again[i].Kind, again[i].ID, plain[i].Kind, plain[i].ID)
			}
		}
	})
}

func attackID(a finding.Attack) string {
	if a.SubTechnique != nil {
		return a.SubTechnique.ID
	}
	return a.Technique.ID
}
