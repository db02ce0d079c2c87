package router

import (
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Replay shows how findings, ordered by time, would have been notified: as if each had arrived at its own time, until
// the given end. Nothing is sent, and nothing is remembered.
func (t *Table) Replay(list []finding.Finding, silences []Silence, end time.Time) []finding.Notification {
	if len(list) == 0 {
		return nil
	}
	var out []finding.Notification
	st := NewState(list[0].Time, silences)
	collect := func() {
		out = append(out, st.Notifications...)
		st.reset()
	}
	until := func(now time.Time) {
		for {
			due := st.NextDue()
			if due.IsZero() || due.After(now) {
				break
			}
			st.Now = due
			t.Flush(st)
			collect()
			st.forget()
		}
		st.Now = now
	}
	for i := range list {
		if list[i].Time.After(st.Now) {
			until(list[i].Time)
		}
		t.Apply(st, []*finding.Finding{&list[i]})
		collect()
	}
	if end.After(st.Now) {
		until(end)
	}
	return out
}

// NextDue is when Flush has something to do; zero means never.
func (st *State) NextDue() time.Time {
	var due time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	for _, th := range st.Threads {
		earlier(th.Due)
	}
	for _, b := range st.Buckets {
		earlier(b.Due)
	}
	return due
}

// forget drops the findings that nothing waits for any more.
func (st *State) forget() {
	keep := map[string]bool{}
	for _, th := range st.Threads {
		for _, id := range th.Pending {
			keep[id] = true
		}
	}
	for id := range st.Findings {
		if !keep[id] {
			delete(st.Findings, id)
		}
	}
	for key, src := range st.Sources {
		if src.Expires.Before(st.Now) {
			delete(st.Sources, key)
		}
	}
}
