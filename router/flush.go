package router

import (
	"slices"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Flush tells what is due at st.Now: threads whose wait or window has passed, reminders, closed alerts, digests.
func (t *Table) Flush(st *State) {
	for _, key := range sortedNames(st.Threads) {
		if th := st.Threads[key]; th != nil && !th.Due.IsZero() && !th.Due.After(st.Now) {
			t.flush(st, th)
		}
	}
	for _, output := range sortedNames(st.Buckets) {
		if b := st.Buckets[output]; !b.Due.IsZero() && !b.Due.After(st.Now) {
			t.digest(st, b)
		}
	}
}

func (t *Table) flush(st *State, th *Thread) {
	a := st.Alerts[th.Alert]
	if a == nil { // deleted, by retention
		st.drop(th)
		return
	}
	r := t.byName[th.Route]
	if r == nil || r.group.isolate || !slices.Contains(r.Outputs, th.Output) {
		t.reroute(st, th, a)
		return
	}
	th.Due = time.Time{}
	st.save(th)
	if a.Status == finding.Closed {
		if th.Told > 0 {
			t.send(st, th, finding.KindClosed, a, nil)
		}
		st.drop(th)
		return
	}
	if len(th.Pending) > 0 || th.Omitted > 0 {
		t.tell(st, th, r, a)
	} else if r.Remind > 0 && a.Status == finding.Open && th.Told > 0 {
		t.remind(st, th, r, a)
	}
	if th.Due.IsZero() && r.Remind > 0 && a.Status == finding.Open && th.Told > 0 {
		th.Due = st.Now.Add(r.Remind)
	}
}

// tell makes the notification of what is pending, unless something holds it back.
func (t *Table) tell(st *State, th *Thread, r *route, a *Alert) {
	free := r.Never || th.Urgent
	var list []finding.Finding
	for _, id := range th.Pending {
		f := st.Findings[id]
		if f == nil { // deleted, by retention
			th.Omitted++
			continue
		}
		if hidden, ok := t.hides(st, f); ok && !free {
			hidden.record(st, a, 1)
			st.Counts[hidden.kind]++
			continue
		}
		list = append(list, *f)
	}
	if len(list) == 0 && len(th.Pending) > 0 { // all is muted: what was omitted is older, of the same group
		clearPending(th)
		return
	}
	if !free && r.during != nil {
		if next, name := opens(r.during, st.Now); next.After(st.Now) {
			if !th.Held {
				suppressor{"time", name, next}.record(st, a, 1)
				st.Counts["time"]++
			}
			th.Due, th.Held = next, true
			return
		}
	}
	if !free && !t.take(st, th.Output) {
		t.hold(st, th.Output, a)
		th.LastTold = st.Now
		clearPending(th)
		return
	}
	kind := finding.KindUpdate
	if th.Told == 0 {
		kind = finding.KindAlert
	}
	t.send(st, th, kind, a, list)
}

func clearPending(th *Thread) {
	th.Pending, th.Omitted, th.Urgent, th.Held, th.Since = nil, 0, false, false, time.Time{}
}

func (t *Table) remind(st *State, th *Thread, r *route, a *Alert) {
	// Clocks jump: a reminder is never further away than its interval.
	if next := th.LastTold.Add(r.Remind); next.After(st.Now) && !th.LastTold.After(st.Now) {
		th.Due = next
		return
	}
	if !r.Never && a.Finding != nil {
		f := *a.Finding
		f.Severity = a.Severity
		if _, ok := t.hides(st, &f); ok {
			return
		}
	}
	if !r.Never && r.during != nil {
		if next, _ := opens(r.during, st.Now); next.After(st.Now) {
			th.Due, th.Held = next, true
			return
		}
	}
	if !r.Never && !t.take(st, th.Output) {
		t.hold(st, th.Output, a)
		th.LastTold = st.Now
		return
	}
	t.send(st, th, finding.KindReminder, a, nil)
}

// send makes the notification. Its id counts the notifications of the thread, and so is the same whenever the same state
// is worked on again.
func (t *Table) send(st *State, th *Thread, kind finding.Kind, a *Alert, list []finding.Finding) {
	th.Told++
	snapshot := a.Alert
	snapshot.Attack = slices.Clone(a.Attack)
	snapshot.Suppressed = slices.Clone(a.Suppressed)
	st.Notifications = append(st.Notifications, finding.Notification{
		ID: digest("n-", "thread", th.Key, itoa(th.Told)), Kind: kind, Output: th.Output, Route: th.Route, Time: st.Now,
		Alert: &snapshot, Findings: list, Omitted: th.Omitted,
	})
	th.LastTold = st.Now
	clearPending(th)
}

// reroute moves a thread whose route a new configuration no longer has: nothing that waits is lost by a reload.
func (t *Table) reroute(st *State, th *Thread, a *Alert) {
	st.drop(th)
	if a.Finding == nil || a.Status == finding.Closed || (len(th.Pending) == 0 && th.Omitted == 0) {
		return
	}
	for _, x := range t.targets(a.Finding) {
		if x.route.group.isolate {
			continue
		}
		key := threadKey(a.ID, x)
		to := st.Threads[key]
		if to == nil {
			to = &Thread{Key: key, Alert: a.ID, Route: x.route.Name, Output: x.output, Since: th.Since, LastTold: th.LastTold}
			if th.Output == x.output {
				to.Told = th.Told
			}
			st.Threads[key] = to
		}
		to.Pending = append(slices.Clone(th.Pending), to.Pending...)
		to.Omitted += th.Omitted
		to.Urgent = to.Urgent || th.Urgent
		if n := len(to.Pending); n > maxPending {
			to.Omitted += uint64(n - maxPending)
			to.Pending = to.Pending[n-maxPending:]
		}
		st.save(to)
		t.flush(st, to)
	}
}

// take takes a token of the output's rate; without a rate there is always one.
func (t *Table) take(st *State, output string) bool {
	rate := t.outputs[output].Rate
	if rate.Limit <= 0 {
		return true
	}
	b := t.bucket(st, output)
	if b.Tokens < 1 {
		return false
	}
	b.Tokens--
	return true
}

// bucket returns the output's bucket, filled up to now.
func (t *Table) bucket(st *State, output string) *Bucket {
	rate := t.outputs[output].Rate
	b := st.Buckets[output]
	if b == nil {
		b = &Bucket{Output: output, Tokens: float64(rate.Limit), At: st.Now}
		st.Buckets[output] = b
	}
	if passed := st.Now.Sub(b.At); passed > 0 && rate.Limit > 0 {
		b.Tokens = min(float64(rate.Limit), b.Tokens+float64(rate.Limit)*float64(passed)/float64(rate.Per))
	}
	b.At = st.Now
	st.changed.buckets[output] = true
	return b
}

// hold puts an alert into the output's next digest.
func (t *Table) hold(st *State, output string, a *Alert) {
	b := t.bucket(st, output)
	if b.Due.IsZero() || b.Due.After(st.Now.Add(t.outputs[output].Rate.Per)) {
		b.Due = st.Now.Add(t.outputs[output].Rate.Per)
	}
	suppressor{"rate", output, b.Due}.record(st, a, 1)
	st.Counts["rate"]++
	if slices.Contains(b.Held, a.ID) {
		return
	}
	if len(b.Held) >= maxHeld {
		b.Omitted++
		return
	}
	b.Held = append(b.Held, a.ID)
}

// digest tells in one message what a rate has held back.
func (t *Table) digest(st *State, b *Bucket) {
	st.changed.buckets[b.Output] = true
	b.Due = time.Time{}
	if _, ok := t.outputs[b.Output]; !ok || (len(b.Held) == 0 && b.Omitted == 0) {
		b.Held, b.Omitted = nil, 0
		return
	}
	if !t.take(st, b.Output) {
		// A full bucket of others: once a period there is a token for the digest.
		b.Tokens--
	}
	b.Digests++
	n := finding.Notification{
		ID: digest("n-", "digest", b.Output, itoa(b.Digests), b.At.UTC().Format(time.RFC3339Nano)), Kind: finding.KindDigest,
		Output: b.Output, Time: st.Now, Omitted: b.Omitted, Digest: []finding.Alert{},
	}
	for _, id := range b.Held {
		if a := st.Alerts[id]; a != nil {
			x := a.Alert
			x.Finding = nil // the digest is a list, not a record
			n.Digest = append(n.Digest, x)
		}
	}
	st.Notifications = append(st.Notifications, n)
	b.Held, b.Omitted = nil, 0
}
