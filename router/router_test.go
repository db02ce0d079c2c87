package router

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

var t0 = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) // a Monday

func dur(d time.Duration) *time.Duration { return &d }

func mk(id, rule string, at time.Duration, sev finding.Severity, tech ...string) finding.Finding {
	f := finding.Finding{ID: id, Time: t0.Add(at), Host: "h1", Origin: "container", Severity: sev, Rule: finding.Rule{ID: rule, Name: rule}, Container: &finding.Container{ID: "c1"}}
	for _, t := range tech {
		a, ok := finding.ATTACK().Resolve(t)
		if !ok {
			panic(t)
		}
		f.Attack = append(f.Attack, a...)
	}
	return f
}

func table(t *testing.T, c Config) *Table {
	t.Helper()
	if c.Outputs == nil {
		c.Outputs = map[string]Output{"soc": {}, "siem": {}, "pager": {}}
	}
	tab, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// told is what Replay makes of findings, as "time kind output findings+omitted".
func told(tab *Table, silences []Silence, hours float64, list ...finding.Finding) []string {
	var out []string
	for _, n := range tab.Replay(list, silences, t0.Add(time.Duration(hours*float64(time.Hour)))) {
		s := fmt.Sprintf("%s %s %s", n.Time.Sub(t0), n.Kind, n.Output)
		if n.Kind == finding.KindDigest {
			s += fmt.Sprintf(" %d alerts", len(n.Digest))
		} else if len(n.Findings) > 0 {
			s += fmt.Sprintf(" %d+%d", len(n.Findings), n.Omitted)
		}
		out = append(out, s)
	}
	return out
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestGroupWaitAndWindow(t *testing.T) {
	tab := table(t, Config{Routes: []Route{{Name: "r", Outputs: []string{"soc"}}}})
	expect(t, told(tab, nil, 2,
		mk("1", "a", 0, finding.Low), mk("2", "a", time.Second, finding.Low), // one notification
		mk("3", "b", time.Second, finding.Low),                                           // another alert
		mk("4", "a", time.Minute, finding.Low), mk("5", "a", 2*time.Minute, finding.Low), // in the window
		mk("6", "a", time.Hour, finding.Low)),
		"5s alert soc 2+0", "6s alert soc 1+0", "10m5s update soc 2+0", "1h0m5s update soc 1+0")
}

func TestNoveltyBreaksTheWindow(t *testing.T) {
	tab := table(t, Config{Routes: []Route{{Name: "r", Outputs: []string{"soc"}}}})
	expect(t, told(tab, nil, 1,
		mk("1", "a", 0, finding.Low, "T1055"),
		mk("2", "a", time.Minute, finding.High, "T1055"),
		mk("3", "a", 2*time.Minute, finding.Low, "T1611"),
		mk("4", "a", 3*time.Minute, finding.High, "T1611")),
		"5s alert soc 1+0", "1m0s update soc 1+0", "2m0s update soc 1+0", "12m0s update soc 1+0")
}

func TestContinueAndSingleFindings(t *testing.T) {
	tab := table(t, Config{Routes: []Route{
		{Name: "evidence", Outputs: []string{"siem"}, Group: &Group{None: true}, Never: true, Continue: true},
		{Name: "page", Match: map[string]any{"severity": ">=high"}, Outputs: []string{"pager", "siem"}, Group: &Group{Wait: dur(0)}},
		{Name: "rest", Outputs: []string{"soc"}},
	}})
	expect(t, told(tab, nil, 1, mk("1", "a", 0, finding.High), mk("2", "a", time.Second, finding.Low)),
		"0s finding siem 1+0", "0s alert pager 1+0", "1s finding siem 1+0", "6s alert soc 1+0")
}

// What Direct says is what Apply would send, with the same ids, and only what nothing could hold back.
func TestDirect(t *testing.T) {
	tab := table(t, Config{
		Outputs: map[string]Output{"soc": {}, "siem": {}, "pager": {}},
		Routes: []Route{
			{Name: "evidence", Match: map[string]any{"rule": "a*"}, Outputs: []string{"siem"}, Group: &Group{None: true}, Never: true, Continue: true},
			{Name: "each", Match: map[string]any{"rule": "*b"}, Outputs: []string{"soc"}, Group: &Group{None: true}, Continue: true}, // a silence holds it
			{Name: "page", Match: map[string]any{"severity": ">=high"}, Outputs: []string{"pager"}, Group: &Group{Wait: dur(0)}},
		},
	})
	for _, c := range []struct {
		f      finding.Finding
		direct int
		all    bool
	}{
		{mk("1", "a", 0, finding.Low), 1, true},
		{mk("2", "a", 0, finding.High), 1, false},
		{mk("3", "ab", 0, finding.Low), 1, false},
		{mk("4", "b", 0, finding.Low), 0, false},
		{mk("5", "c", 0, finding.Low), 0, true},
	} {
		list, all := tab.Direct(t0, &c.f)
		if len(list) != c.direct || all != c.all {
			t.Errorf("%s: %d at once, all %v", c.f.ID, len(list), all)
		}
		whole, rest := NewState(t0, nil), NewState(t0, nil)
		rest.Handed = true
		tab.Apply(whole, refs(c.f))
		tab.Apply(rest, refs(c.f))
		ids := func(list []finding.Notification) map[string]bool {
			m := map[string]bool{}
			for _, n := range list {
				m[n.ID] = true
			}
			return m
		}
		both, want := ids(append(list, rest.Notifications...)), ids(whole.Notifications)
		if fmt.Sprint(both) != fmt.Sprint(want) || len(list)+len(rest.Notifications) != len(whole.Notifications) {
			t.Errorf("%s: %v instead of %v", c.f.ID, both, want)
		}
		if all && len(rest.Notifications) > 0 {
			t.Errorf("%s: %d notifications more", c.f.ID, len(rest.Notifications))
		}
	}
}

func TestReminderUntilAcknowledged(t *testing.T) {
	tab := table(t, Config{Routes: []Route{{Name: "r", Outputs: []string{"pager"}, Group: &Group{Wait: dur(0)}, Remind: 30 * time.Minute}}})
	expect(t, told(tab, nil, 1.2, mk("1", "a", 0, finding.High)), "0s alert pager 1+0", "30m0s reminder pager", "1h0m0s reminder pager")

	st := NewState(t0, nil)
	f := mk("1", "a", 0, finding.High)
	tab.Apply(st, refs(f))
	for _, a := range st.Alerts {
		a.Status = finding.Acknowledged
	}
	st.reset()
	st.Now = t0.Add(30 * time.Minute)
	tab.Flush(st)
	if len(st.Notifications) != 0 || !st.NextDue().IsZero() {
		t.Errorf("reminded of an acknowledged alert: %v", st.Notifications)
	}
}

func TestClosedIsToldOnce(t *testing.T) {
	tab := table(t, Config{Routes: []Route{{Name: "r", Outputs: []string{"soc"}, Group: &Group{Wait: dur(0)}}}})
	st := NewState(t0, nil)
	tab.Apply(st, refs(mk("1", "a", 0, finding.High)))
	id := st.Notifications[0].Alert.ID
	st.reset()
	for _, a := range st.Alerts {
		a.Status = finding.Closed
	}
	for _, th := range st.Threads {
		th.Due = st.Now
	}
	tab.Flush(st)
	if len(st.Notifications) != 1 || st.Notifications[0].Kind != finding.KindClosed || len(st.Threads) != 0 || len(st.Changes().Dropped) != 1 {
		t.Fatalf("%+v", st.Notifications)
	}
	st.reset()
	clear(st.Open)
	tab.Apply(st, refs(mk("2", "a", time.Minute, finding.High)))
	if len(st.Notifications) != 1 || st.Notifications[0].Alert.ID == id || st.Notifications[0].Kind != finding.KindAlert {
		t.Errorf("after closing, a new alert begins: %+v", st.Notifications)
	}
}

func silence(t *testing.T, id, query string, from, to time.Duration) Silence {
	m, err := match.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return Silence{ID: id, Match: m, Start: t0.Add(from), End: t0.Add(to), Author: "me", Comment: "x"}
}

func TestSilence(t *testing.T) {
	tab := table(t, Config{Routes: []Route{
		{Name: "evidence", Outputs: []string{"siem"}, Group: &Group{None: true}, Never: true, Continue: true},
		{Name: "r", Outputs: []string{"soc"}},
	}})
	s := []Silence{silence(t, "s1", "rule=a host=h1", 0, time.Hour)}
	expect(t, told(tab, s, 3,
		mk("1", "a", 0, finding.Low), mk("2", "a", time.Minute, finding.Low),
		mk("3", "a", 2*time.Minute, finding.Critical), // breaks it
		mk("4", "a", 3*time.Minute, finding.Critical),
		mk("5", "a", 2*time.Hour, finding.Critical)),
		"0s finding siem 1+0", "1m0s finding siem 1+0", "2m0s finding siem 1+0", "2m0s alert soc 1+0", "3m0s finding siem 1+0",
		"2h0m0s finding siem 1+0", "2h0m5s update soc 1+0")

	st := NewState(t0, s)
	tab.Apply(st, refs(mk("1", "a", 0, finding.Low), mk("2", "a", 0, finding.Low)))
	c := st.Changes()
	if len(c.Alerts) != 1 || len(c.Alerts[0].Suppressed) != 1 || c.Alerts[0].Suppressed[0].Count != 2 || !c.Alerts[0].Suppressed[0].Until.Equal(s[0].End) || st.Counts["silence"] != 2 {
		t.Errorf("not recorded: %+v %v", c.Alerts[0].Suppressed, st.Counts)
	}
}

func TestInhibition(t *testing.T) {
	tab := table(t, Config{
		Routes:  []Route{{Name: "r", Outputs: []string{"soc"}}},
		Inhibit: []Inhibit{{Name: "x", By: map[string]any{"rule": "escape"}, Mute: map[string]any{"rule": []any{"shell"}, "severity": "<=high"}, Equal: []string{"host", "container"}, Within: 5 * time.Minute}},
	})
	other := mk("9", "shell", time.Second, finding.Medium)
	other.Container = &finding.Container{ID: "c2"}
	bare := mk("8", "shell", time.Second, finding.Medium)
	bare.Container = nil
	expect(t, told(tab, nil, 3,
		mk("1", "shell", 0, finding.Medium), // muted by what comes within its wait
		mk("2", "escape", time.Second, finding.High), other, bare,
		mk("3", "shell", time.Minute, finding.Medium),
		mk("4", "shell", 10*time.Minute, finding.Medium)),
		"6s alert soc 1+0", "6s alert soc 1+0", "6s alert soc 1+0", "10m5s alert soc 1+0")
	// A mute does not cover what is more severe than its source.
	expect(t, told(tab, nil, 1, mk("1", "escape", 0, finding.Low), mk("2", "shell", time.Second, finding.Medium)), "5s alert soc 1+0", "6s alert soc 1+0")
	// A low source does not prolong a high one.
	expect(t, told(tab, nil, 1, mk("1", "escape", 0, finding.High), mk("2", "escape", 4*time.Minute, finding.Low), mk("3", "shell", 6*time.Minute, finding.Medium)),
		"5s alert soc 1+0", "6m5s alert soc 1+0", "10m5s update soc 1+0")
}

func TestIntervalHolds(t *testing.T) {
	tab := table(t, Config{
		Times:  map[string]Times{"office": {Days: "mon-fri", Hours: "09:00-18:00", TZ: "Europe/Berlin"}},
		Routes: []Route{{Name: "r", Outputs: []string{"soc"}, During: []string{"office"}, Group: &Group{By: []string{"rule"}}}},
	})
	// t0 is Monday 09:00 in Berlin.
	night := 12 * time.Hour
	expect(t, told(tab, nil, 30, mk("0", "b", 0, finding.Low), mk("1", "a", night, finding.Low), mk("2", "a", night+time.Hour, finding.Low)),
		"5s alert soc 1+0", "24h0m0s alert soc 2+0")
	expect(t, told(tab, nil, 30, mk("1", "a", night, finding.Low), mk("2", "a", night+time.Hour, finding.High)), "13h0m0s alert soc 2+0")
}

func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		times    Times
		at, want string // of Europe/Berlin
	}{
		{Times{Days: "mon-fri", Hours: "09:00-18:00"}, "2026-03-02 08:00", "2026-03-02 09:00"},
		{Times{Days: "mon-fri", Hours: "09:00-18:00"}, "2026-03-02 17:59", ""},
		{Times{Days: "mon-fri", Hours: "09:00-18:00"}, "2026-03-06 18:00", "2026-03-09 09:00"},
		{Times{Days: "fri-mon", Hours: "09:00-18:00"}, "2026-03-03 12:00", "2026-03-06 09:00"},
		{Times{Hours: "22:00-06:00"}, "2026-03-03 05:59", ""},
		{Times{Hours: "22:00-06:00"}, "2026-03-03 06:00", "2026-03-03 22:00"},
		{Times{Days: "sat", Hours: "22:00-06:00"}, "2026-03-08 05:00", ""}, // Sunday morning belongs to Saturday's night
		{Times{Days: "sat,sun"}, "2026-03-06 12:00", "2026-03-07 00:00"},
		{Times{Hours: "02:30-04:00"}, "2026-03-29 01:00", "2026-03-29 03:30"}, // 02:30 does not exist on that day
		{Times{Days: "mon-fri", Hours: "09:00-18:00", Not: true}, "2026-03-02 12:00", "2026-03-02 18:00"},
		{Times{Days: "mon-fri", Hours: "09:00-18:00", Not: true}, "2026-03-02 18:00", ""},
		{Times{Days: "mon-wed", Not: true}, "2026-03-02 12:00", "2026-03-05 00:00"},
		{Times{Not: true}, "2026-03-02 12:00", ""}, // nothing is left: it holds nothing for ever
	} {
		c.times.TZ = "Europe/Berlin"
		iv, err := c.times.compile("x")
		if err != nil {
			t.Fatal(err)
		}
		parse := func(s string) time.Time { x, _ := time.ParseInLocation("2006-01-02 15:04", s, iv.tz); return x }
		if c.want == "" {
			c.want = c.at
		}
		if got := iv.next(parse(c.at)); !got.Equal(parse(c.want)) {
			t.Errorf("%+v at %s: %s, want %s", c.times, c.at, got, c.want)
		}
	}
}

func TestRateMakesADigest(t *testing.T) {
	tab := table(t, Config{
		Outputs: map[string]Output{"soc": {Rate: Rate{Limit: 2, Per: time.Minute}}},
		Routes:  []Route{{Name: "r", Outputs: []string{"soc"}, Group: &Group{Wait: dur(0)}}},
	})
	var list []finding.Finding
	for i := range 10 {
		list = append(list, mk(fmt.Sprint(i), fmt.Sprintf("rule%d", i), time.Duration(i)*time.Second, finding.Low))
	}
	list = append(list, mk("x", "rule9", 10*time.Second, finding.High)) // a rise is not held back
	expect(t, told(tab, nil, 1, list...), "0s alert soc 1+0", "1s alert soc 1+0", "10s alert soc 1+0", "1m2s digest soc 8 alerts")
}

func TestReplayedFindingsAreHarmless(t *testing.T) {
	tab := table(t, Config{Routes: []Route{
		{Name: "evidence", Outputs: []string{"siem"}, Group: &Group{None: true}, Continue: true},
		{Name: "r", Outputs: []string{"soc"}, Group: &Group{Wait: dur(0)}},
	}})
	f := mk("1", "a", 0, finding.High)
	st := NewState(t0, nil)
	tab.Apply(st, refs(f, f))
	single := map[string]int{}
	for _, n := range st.Notifications {
		single[string(n.Kind)+n.ID]++
	}
	c := st.Changes()
	if len(c.Added) != 1 || c.Alerts[0].Count != 1 || len(single) != 2 {
		t.Errorf("%d added, %v", len(c.Added), single)
	}
}

func TestReloadKeepsWhatWaits(t *testing.T) {
	old := table(t, Config{Routes: []Route{{Name: "old", Outputs: []string{"soc"}}}})
	st := NewState(t0, nil)
	old.Apply(st, refs(mk("1", "a", 0, finding.High)))
	renamed := table(t, Config{Routes: []Route{{Name: "new", Outputs: []string{"pager"}}}})
	st.reset()
	st.Now = t0.Add(5 * time.Second)
	renamed.Flush(st)
	if len(st.Notifications) != 1 || st.Notifications[0].Output != "pager" || len(st.Notifications[0].Findings) != 1 {
		t.Errorf("%+v", st.Notifications)
	}
}

func TestClockJumpsBack(t *testing.T) {
	tab := table(t, Config{Routes: []Route{{Name: "r", Outputs: []string{"soc"}}}})
	st := NewState(t0.Add(1000*time.Hour), nil)
	tab.Apply(st, refs(mk("1", "a", 0, finding.High)))
	st.Now = st.Now.Add(5 * time.Second)
	tab.Flush(st)
	st.reset()
	st.Now = t0
	tab.Apply(st, refs(mk("2", "a", 0, finding.High)))
	if d := st.NextDue(); d.IsZero() || d.After(t0.Add(10*time.Minute)) {
		t.Errorf("due at %v", d)
	}
}

func TestCompileErrors(t *testing.T) {
	out := map[string]Output{"soc": {}}
	for want, c := range map[string]Config{
		`routes[0].match.any[0].severty: unknown field "severty": did you mean "severity"?`:                   {Outputs: out, Routes: []Route{{Match: map[string]any{"any": []any{map[string]any{"severty": "x"}}}, Outputs: []string{"soc"}}}},
		`routes[0].outputs[0]: no output is named "sco": there are soc`:                                       {Outputs: out, Routes: []Route{{Outputs: []string{"sco"}}}},
		`routes[0].outputs: a route needs an output`:                                                          {Outputs: out, Routes: []Route{{}}},
		`routes[1].name: "a" is the name of an earlier route`:                                                 {Outputs: out, Routes: []Route{{Name: "a", Outputs: []string{"soc"}}, {Name: "a", Outputs: []string{"soc"}}}},
		`times.x.hours: "9-99" is not a range of hours such as 09:00-18:00`:                                   {Times: map[string]Times{"x": {Hours: "9-99"}}},
		`times.x.hours: "09:00-06:00pm" is not a range of hours such as 09:00-18:00`:                          {Times: map[string]Times{"x": {Hours: "09:00-06:00pm"}}},
		`times.x.hours: "+9:00-18:00" is not a range of hours such as 09:00-18:00`:                            {Times: map[string]Times{"x": {Hours: "+9:00-18:00"}}},
		`times.x.days: "mo" is not a day or a range of days: use mon, tue, wed, thu, fri, sat, sun`:           {Times: map[string]Times{"x": {Days: "mo"}}},
		`inhibit[0].equal: must name the fields that both findings have in common, such as [host, container]`: {Inhibit: []Inhibit{{By: map[string]any{"rule": "x"}, Mute: map[string]any{"rule": "y"}}}},
		`defaults.group.by: unknown field "hots": did you mean "host"?`:                                       {Defaults: Group{By: []string{"hots"}}},
	} {
		if _, err := Compile(c); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestTrace(t *testing.T) {
	tab := table(t, Config{Routes: []Route{
		{Name: "crit", Match: map[string]any{"severity": "critical"}, Outputs: []string{"pager"}},
		{Name: "tech", Match: map[string]any{"technique": "T1055"}, Outputs: []string{"siem"}, Continue: true},
		{Name: "rest", Outputs: []string{"soc", "siem"}},
	}})
	f := mk("1", "a", 0, finding.High, "T1055.008")
	tr := tab.Route(t0, &f, nil)
	if fmt.Sprint(tr.Outputs) != "[siem soc]" || tr.Routes[0].Why != "does not match: severity=critical" || !tr.Routes[1].Matched || tr.Alerts[0]["host"] != "h1" {
		t.Errorf("%+v", tr)
	}
}

func FuzzTimes(f *testing.F) {
	f.Add("mon-fri", "09:00-18:00,22:00-06:00", "Europe/Berlin", false)
	f.Add("sat", "", "", true)
	f.Fuzz(func(t *testing.T, days, hours, tz string, not bool) {
		iv, err := Times{days, hours, tz, not}.compile("x")
		if err != nil {
			return
		}
		now := t0
		for range 3 {
			next := iv.next(now)
			if next.Before(now) || next.Sub(now) > 9*24*time.Hour {
				t.Fatalf("at %v it opens at %v", now, next)
			}
			now = next.Add(time.Hour)
		}
	})
}

func refs(list ...finding.Finding) (out []*finding.Finding) {
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}
