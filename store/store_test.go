package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
	"github.com/tocsin-io/tocsin/store/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// both runs a test on SQLite and on PostgreSQL.
func both(t *testing.T, f func(t *testing.T, s *store.Store)) {
	for name, opts := range map[string]func(t *testing.T) store.Options{
		"sqlite": func(t *testing.T) store.Options {
			return store.Options{SQLite: filepath.Join(t.TempDir(), "sub", "a b.db")}
		},
		"postgres": func(t *testing.T) store.Options { return store.Options{Postgres: storetest.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := opts(t)
			s, err := store.Open(t.Context(), o)
			must(t, err)
			must(t, s.Close())
			s, err = store.Open(t.Context(), o) // the tables are there
			must(t, err)
			t.Cleanup(func() { s.Close() })
			f(t, s)
		})
	}
}

func table(t testing.TB, c router.Config) *router.Table {
	t.Helper()
	if c.Outputs == nil {
		c.Outputs = map[string]router.Output{"soc": {}}
		wait := time.Duration(0)
		c.Routes = []router.Route{{Name: "r", Outputs: []string{"soc"}, Group: &router.Group{Wait: &wait}}}
	}
	tab, err := router.Compile(c)
	must(t, err)
	return tab
}

// add routes findings into the store, and returns the notifications.
func add(t testing.TB, s *store.Store, tab *router.Table, now time.Time, list ...finding.Finding) []finding.Notification {
	t.Helper()
	var out []finding.Notification
	must(t, s.Work(t.Context(), func(tx *store.Tx) error {
		ctx := context.Background()
		silences, err := tx.Silences(ctx, now)
		if err != nil {
			return err
		}
		st := router.NewState(now, silences)
		if err := tx.Load(ctx, tab.Needs(refs(list)), st); err != nil {
			return err
		}
		tab.Apply(st, refs(list))
		out = st.Notifications
		for i := range out {
			body, _ := json.Marshal(&out[i])
			if err := tx.Outbox(ctx, &out[i], body); err != nil {
				return err
			}
		}
		return tx.Save(ctx, st.Changes())
	}))
	return out
}

func flush(t testing.TB, s *store.Store, tab *router.Table, now time.Time) []finding.Notification {
	t.Helper()
	var out []finding.Notification
	must(t, s.Work(t.Context(), func(tx *store.Tx) error {
		ctx := context.Background()
		st := router.NewState(now, nil)
		some, err := tx.LoadDue(ctx, tab, st, 100)
		if err != nil || !some {
			return err
		}
		tab.Flush(st)
		out = st.Notifications
		return tx.Save(ctx, st.Changes())
	}))
	return out
}

func mk(i int, rule string, sev finding.Severity, at time.Time) finding.Finding {
	a, _ := finding.ATTACK().Resolve("T1055.008")
	return finding.Finding{
		ID: fmt.Sprintf("f-%s-%05d", rule, i), Time: at, Host: "node-1", Origin: "container", Source: "tocsin", Severity: sev, Attack: a,
		Rule:       finding.Rule{ID: rule, Name: "Rule " + rule, Tags: []string{"linux", "it's [odd]"}},
		Process:    &finding.Process{PID: 4711, Name: "sh", Executable: "/bin/sh", UID: 0},
		Container:  &finding.Container{ID: "0123456789abcdef", Name: "web", Image: "registry/nginx:1"},
		Kubernetes: &finding.Kubernetes{Namespace: "shop", PodName: "web-0", Labels: map[string]string{"app.kubernetes.io/na'me": "x"}},
		Event:      json.RawMessage(`{"eventName":"x"}`), Message: "100% of_it",
	}
}

// A query means the same in the store as in a route, whether what it asks for is rare or not.
func TestFiltersAgreeWithTheMatcher(t *testing.T) {
	t.Run("looked up", testFilters)
	t.Run("looked for", func(t *testing.T) {
		defer store.SetFew(-1)()
		testFilters(t)
	})
}

func testFilters(t *testing.T) {
	both(t, func(t *testing.T, s *store.Store) {
		tab := table(t, router.Config{})
		now := time.Now().UTC()
		odd := mk(1, "odd", finding.High, now)
		odd.Container, odd.Kubernetes, odd.Process, odd.Attack, odd.Rule.Tags = nil, nil, nil, nil, nil
		odd.Host = "no_de%2[x]"
		other := mk(1, "escape", finding.Critical, now)
		other.Attack, _ = finding.ATTACK().Resolve("Privilege Escalation: Escape to Host")
		other.Container.ID, other.Cluster = "ffff", "eu"
		list := []finding.Finding{mk(1, "shell", finding.Low, now), odd, other}
		add(t, s, tab, now, list...)
		for _, q := range []string{
			"severity=low", "severity=!low", "namespace=shop,x", "host=node-1", "rule=shell", "rule=!shell,odd", "pod=web-0", "pod=!web-0", "container=ffff,web", "process=!sh",
			"technique=T1611,T1055", "tactic=!TA0004,TA0005", "severity=>=high", "severity=<=high,critical", "severity=h*", "severity=~(low|high)", "severity=!~l.*",
			"rule=s*", "rule=!s*", "rule=shell,odd", "rule=~sh.ll", "rule=!shell", "rule=?dd", "host=no_de%2[x]", "host=no*[x]", "host=node?1",
			"technique=T1055", "technique=T1055.008", "technique=T1055.001", "technique=!T1055", "technique=T16*", "technique=!T10*", "technique=~T1[0-9]{3}",
			"technique=t1055.008", "tactic=TA0004", "tactic=privilege-escalation", "tactic=!TA0004", "tactic=TA000*",
			"container=web", "container=0123456789ab", "container=0123456789abcdef", "container=!web", "container=ffff", "container=*",
			"image=registry/*", "image=!x", "namespace=shop", "namespace=!shop", "pod=web-?", "process=sh", "executable=/bin/*", "uid=0", "pid=4711",
			"cluster=*", "cluster=!eu", "cluster=eu", "tag=linux", "tag=!linux", "tag=it's*", "message=100%*", "name=Rule*", "user=*", "user=!x",
			`label.app.kubernetes.io/na'me=x`, `label.nope=*`, "origin=container",
		} {
			field, value, _ := strings.Cut(q, "=")
			m, err := match.FromValues(map[string][]string{field: {value}})
			must(t, err)
			want := map[string]bool{}
			for i := range list {
				if m.Match(&list[i]) {
					want[list[i].Rule.ID] = true
				}
			}
			got := map[string]bool{}
			alerts, _, err := s.Alerts(t.Context(), store.Filter{Match: m}, store.Page{Limit: 10})
			if err != nil {
				t.Errorf("%s: %v", q, err)
				continue
			}
			for _, a := range alerts {
				got[a.Rule.ID] = true
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: the store finds %v, the matcher %v", q, got, want)
			}
		}
		any, err := match.Parse(map[string]any{"any": []any{map[string]any{"rule": "shell"}, map[string]any{"severity": ">=high", "cluster": "eu"}}, "origin": "container"})
		must(t, err)
		if l, _, err := s.Alerts(t.Context(), store.Filter{Match: any}, store.Page{Limit: 10}); err != nil || len(l) != 2 {
			t.Errorf("%v %d", err, len(l))
		}
		for text, n := range map[string]int{"100%": 3, "OF_IT": 3, "of-it": 0, "rule ptrace": 1, `\`: 0, "'": 2, "ptrace web": 1} {
			l, _, err := s.Alerts(t.Context(), store.Filter{Text: text}, store.Page{Limit: 10})
			if err != nil || len(l) != n {
				t.Errorf("%q: %v %d", text, err, len(l))
			}
		}
	})
}

func TestRoutingState(t *testing.T) {
	both(t, func(t *testing.T, s *store.Store) {
		now := time.Now().UTC().Truncate(time.Millisecond)
		second := time.Second
		tab := table(t, router.Config{
			Outputs: map[string]router.Output{"soc": {Rate: router.Rate{Limit: 2, Per: time.Minute}}},
			Routes:  []router.Route{{Name: "r", Outputs: []string{"soc"}, Group: &router.Group{Wait: &second}, Remind: time.Hour}},
			Inhibit: []router.Inhibit{{Name: "i", By: map[string]any{"rule": "escape"}, Mute: map[string]any{"rule": "shell"}, Equal: []string{"host"}}},
		})
		if n := add(t, s, tab, now, mk(1, "a", finding.Low, now), mk(2, "a", finding.Low, now), mk(1, "a", finding.Low, now)); len(n) != 0 {
			t.Errorf("told at once: %v", n)
		}
		add(t, s, tab, now, mk(2, "a", finding.Low, now), mk(3, "a", finding.Low, now)) // one is known
		due, err := s.NextDue(t.Context())
		must(t, err)
		if !due.Equal(now.Add(second)) {
			t.Errorf("due %v", due)
		}
		if n := flush(t, s, tab, now); len(n) != 0 {
			t.Error("too early")
		}
		n := flush(t, s, tab, now.Add(second))
		if len(n) != 1 || n[0].Alert.Count != 3 || len(n[0].Findings) != 3 || n[0].Alert.Finding == nil {
			t.Fatalf("%+v", n)
		}
		if n := flush(t, s, tab, now.Add(second)); len(n) != 0 {
			t.Error("told twice")
		}
		if n := flush(t, s, tab, now.Add(2*time.Hour)); len(n) != 1 || n[0].Kind != finding.KindReminder {
			t.Errorf("%+v", n)
		}
		// Inhibition is remembered over transactions.
		add(t, s, tab, now, mk(1, "escape", finding.Critical, now))
		add(t, s, tab, now, mk(1, "shell", finding.High, now))
		m, _ := match.ParseQuery("rule=shell")
		l, _, err := s.Alerts(t.Context(), store.Filter{Match: m}, store.Page{Limit: 10})
		must(t, err)
		if len(l) != 1 || len(l[0].Suppressed) != 1 || l[0].Suppressed[0].Kind != "inhibition" {
			t.Errorf("%+v", l)
		}
		// So is a rate, with what it held back.
		for i := range 5 {
			add(t, s, tab, now, mk(i, fmt.Sprint("many", i), finding.Low, now))
		}
		digests := 0
		for i := range 300 {
			for _, n := range flush(t, s, tab, now.Add(time.Duration(i)*time.Second)) {
				if n.Kind == finding.KindDigest {
					digests += len(n.Digest)
				}
			}
		}
		if digests == 0 {
			t.Error("no digest")
		}
		// Closing an alert tells whoever was told.
		a, err := s.Alert(t.Context(), n[0].Alert.ID)
		must(t, err)
		closed, reason := finding.Closed, finding.Expected
		if _, err := s.Update(t.Context(), a.ID, a.Version+1, store.Change{Status: &closed, Reason: &reason}, "me"); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}
		_, err = s.Update(t.Context(), a.ID, a.Version, store.Change{Status: &closed, Reason: &reason}, "me")
		must(t, err)
		if n := flush(t, s, tab, time.Now().Add(10*time.Hour)); len(n) == 0 || n[0].Kind != finding.KindClosed && n[len(n)-1].Kind != finding.KindClosed {
			t.Errorf("%+v", n)
		}
	})
}

// What times hold back goes when a new configuration has other times, and is counted once however often it is looked at.
func TestOtherTimesLetGo(t *testing.T) {
	both(t, func(t *testing.T, s *store.Store) {
		now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC) // a Tuesday
		zero := time.Duration(0)
		with := func(days string) *router.Table {
			return table(t, router.Config{
				Outputs: map[string]router.Output{"soc": {}}, Times: map[string]router.Times{"work": {Days: days}},
				Routes: []router.Route{{Name: "r", Outputs: []string{"soc"}, During: []string{"work"}, Group: &router.Group{Wait: &zero}}},
			})
		}
		wake := func() {
			must(t, s.Work(t.Context(), func(tx *store.Tx) error { return tx.WakeHeld(t.Context(), now) }))
		}
		monday := with("mon")
		if n := add(t, s, monday, now, mk(1, "a", finding.Low, now)); len(n) != 0 {
			t.Fatalf("not held: %+v", n)
		}
		wake()
		if n := flush(t, s, monday, now); len(n) != 0 {
			t.Errorf("not held again: %+v", n)
		}
		if due, err := s.NextDue(t.Context()); err != nil || !due.Equal(time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)) {
			t.Error(due, err)
		}
		wake()
		n := flush(t, s, with("tue"), now)
		if len(n) != 1 || len(n[0].Alert.Suppressed) != 1 || n[0].Alert.Suppressed[0].Count != 1 {
			t.Errorf("%+v", n)
		}
		wake()
		if n := flush(t, s, monday, now); len(n) != 0 {
			t.Errorf("told twice: %+v", n)
		}
	})
}

func TestDeliveriesAndExpiry(t *testing.T) {
	both(t, func(t *testing.T, s *store.Store) {
		tab := table(t, router.Config{})
		old := time.Now().AddDate(0, 0, -100).UTC()
		ns := add(t, s, tab, old, mk(1, "old", finding.Low, old))
		ns = append(ns, add(t, s, tab, time.Now(), mk(1, "new", finding.Low, time.Now().UTC()))...)
		if l, err := s.Unqueued(t.Context(), time.Now(), 10); err != nil || len(l) != 0 { // fresh ones are on their way
			t.Errorf("%v %d", err, len(l))
		}
		l, err := s.Unqueued(t.Context(), time.Now().Add(time.Minute), 10)
		if err != nil || len(l) != 2 || !json.Valid(l[0].Body) {
			t.Fatalf("%v %+v", err, l)
		}
		must(t, s.Work(t.Context(), func(tx *store.Tx) error { return tx.Queued(t.Context(), []string{ns[0].ID, ns[1].ID}, time.Now()) }))
		must(t, s.Record(t.Context(), []store.Result{
			{Notification: &ns[0], Status: store.Retrying, Attempts: 1, Error: "503", Time: time.Now()},
			{Notification: &ns[0], Status: store.Delivered, Attempts: 2, Time: time.Now()},
			{Notification: &ns[0], Status: store.Retrying, Attempts: 1, Error: "late", Time: time.Now()}, // out of order
		}))
		d, err := s.Deliveries(t.Context(), ns[0].Alert.ID, 10)
		if err != nil || len(d) != 1 || d[0].Status != store.Delivered || d[0].Attempts != 2 {
			t.Errorf("%v %+v", err, d)
		}
		closed, reason := finding.Closed, finding.Expected
		_, err = s.Update(t.Context(), ns[0].Alert.ID, 0, store.Change{Status: &closed, Reason: &reason}, "me")
		must(t, err)
		_, err = s.Expire(t.Context(), time.Now().AddDate(0, 0, -90), 100)
		must(t, err)
		if _, err := s.Alert(t.Context(), ns[0].Alert.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an old alert stays: %v", err)
		}
		if _, err := s.Alert(t.Context(), ns[1].Alert.ID); err != nil {
			t.Error(err)
		}
	})
}

// A dead letter may be older than the note that its notification is queued.
func TestBuriedBeforeQueued(t *testing.T) {
	both(t, func(t *testing.T, s *store.Store) {
		n := add(t, s, table(t, router.Config{}), time.Now(), mk(1, "r", finding.Low, time.Now().UTC()))[0]
		began := time.Now()
		time.Sleep(time.Millisecond)
		dead := store.Delivery{ID: n.ID, Output: n.Output, Alert: n.Alert.ID, Route: n.Route, Kind: n.Kind, Attempts: 1, Error: "410", Created: n.Time, Updated: time.Now(), Body: []byte("{}")}
		must(t, s.Work(t.Context(), func(tx *store.Tx) error { return tx.Queued(t.Context(), []string{n.ID}, began) }))
		must(t, s.Bury(t.Context(), dead))
		if l, err := s.DeadLetters(t.Context(), n.Output, "", 10); err != nil || len(l) != 1 {
			t.Errorf("%v: the dead letter is not there: %+v", err, l)
		}
	})
}

func refs(list []finding.Finding) (out []*finding.Finding) {
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}

// Several routers may start at once on a database that is still empty.
func TestOpenTogether(t *testing.T) {
	o := store.Options{Postgres: storetest.Postgres(t)}
	var opening sync.WaitGroup
	for range 4 {
		opening.Go(func() {
			s, err := store.Open(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	opening.Wait()
}
