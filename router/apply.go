package router

import (
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// target is one output that a route sends a finding to.
type target struct {
	route  *route
	output string
}

// targets are the outputs that f is for. An output is told of a finding once: by the first route that names it.
func (t *Table) targets(f *finding.Finding) []target {
	var out []target
	for _, r := range t.routes {
		if !r.match.Match(f) {
			continue
		}
		for _, o := range r.Outputs {
			if !slices.ContainsFunc(out, func(x target) bool { return x.output == o }) {
				out = append(out, target{r, o})
			}
		}
		if !r.Continue {
			break
		}
	}
	return out
}

// groupings are the ways in which f is grouped: by its grouping routes, or else by the default.
func (t *Table) groupings(f *finding.Finding) []*grouping {
	var out []*grouping
	for _, r := range t.routes {
		if !r.match.Match(f) {
			continue
		}
		if g := r.group; !g.isolate && !slices.ContainsFunc(out, func(x *grouping) bool { return x.byText == g.byText }) {
			out = append(out, g)
		}
		if !r.Continue {
			break
		}
	}
	if out == nil {
		out = append(out, t.grouping)
	}
	return out
}

// Direct are the notifications that f causes whatever has happened before and whatever people have silenced: those of
// routes that pass on each finding and that nothing suppresses. They can be sent before f is applied; State.Handed keeps
// Apply from making them again. all reports whether f can cause no others.
func (t *Table) Direct(now time.Time, f *finding.Finding) (list []finding.Notification, all bool) {
	all = true
	for _, x := range t.targets(f) {
		if x.direct() {
			list = append(list, single(now, x, f))
		} else {
			all = false
		}
	}
	return list, all
}

func (x target) direct() bool { return x.route.group.isolate && x.route.Never }

// Apply takes findings into account, in their order. A finding that is known already changes nothing, except that what
// is sent for each single finding is sent again, with the same ids: it may have been lost before.
func (t *Table) Apply(st *State, list []*finding.Finding) {
	for _, f := range list {
		t.apply(st, f)
	}
	for _, key := range sortedNames(st.changed.threads) {
		th := st.Threads[key]
		if th == nil || th.Due.IsZero() || th.Due.After(st.Now) {
			continue
		}
		if slices.ContainsFunc(th.Pending, func(id string) bool { return st.Findings[id] == nil }) {
			continue // older findings must be loaded first: Flush does that
		}
		t.flush(st, th)
	}
}

func (t *Table) apply(st *State, f *finding.Finding) {
	known := st.Known[f.ID]
	st.Known[f.ID] = true
	targets := t.targets(f)
	hidden, isHidden := suppressor{}, false
	if !known {
		t.remember(st, f)
	}
	hidden, isHidden = t.hides(st, f)

	var alerts map[string]*joined
	var first *joined
	if !known {
		st.Findings[f.ID] = f
		alerts = map[string]*joined{}
		added := Added{Finding: f}
		for _, g := range t.groupings(f) {
			j := t.join(st, g, f)
			alerts[g.byText] = j
			added.Alerts = append(added.Alerts, j.alert.ID)
			if first == nil {
				first = j
			}
		}
		st.Added = append(st.Added, added)
		if isHidden {
			for _, j := range alerts {
				if !j.novel {
					hidden.record(st, j.alert, 1)
				}
			}
		}
	}
	for _, x := range targets {
		if x.direct() && st.Handed {
			continue
		}
		if x.route.group.isolate {
			held := isHidden && !x.route.Never && (known || !first.novel)
			if held {
				if !known {
					st.Counts[hidden.kind]++
				}
				continue
			}
			t.alone(st, x, f, first)
			continue
		}
		if known {
			continue // its notification was saved with it
		}
		j := alerts[x.route.group.byText]
		if isHidden && !x.route.Never && !j.novel {
			st.Counts[hidden.kind]++
			continue
		}
		t.pend(st, x, f, j, isHidden)
	}
}

// joined is an alert that a finding has become part of.
type joined struct {
	alert *Alert
	novel bool // the finding raised the alert's severity or brought a new technique
}

// join adds f to the open alert of its group, or opens one.
func (t *Table) join(st *State, g *grouping, f *finding.Finding) *joined {
	key := g.key(f)
	a := st.Alerts[st.Open[key]]
	n := max(f.Count, 1)
	if a == nil {
		a = &Alert{Key: key, Alert: finding.Alert{
			ID: digest("a-", key, f.ID), Group: g.values(f), Status: finding.Open, Severity: f.Severity,
			FirstSeen: f.Time, LastSeen: f.Time, Attack: []finding.Attack{},
		}}
		st.AddAlert(a)
		describe(a, f)
		mergeAttack(a, f)
		a.Count = n
		st.touch(a)
		return &joined{a, false}
	}
	rose := f.Severity > a.Severity
	newTechnique := mergeAttack(a, f)
	if f.Severity >= a.Severity {
		describe(a, f)
	}
	a.Severity = max(a.Severity, f.Severity)
	a.Finding, a.Last = f, f.ID
	a.Count += n
	if f.Time.After(a.LastSeen) {
		a.LastSeen = f.Time
	}
	if f.Time.Before(a.FirstSeen) {
		a.FirstSeen = f.Time
	}
	st.touch(a)
	return &joined{a, rose || newTechnique}
}

// describe lets the alert show f: the latest of its most severe findings.
func describe(a *Alert, f *finding.Finding) {
	a.Rule, a.Cluster, a.Host, a.Origin, a.Message = f.Rule, f.Cluster, f.Host, f.Origin, f.Message
	a.Process, a.Container, a.Kubernetes, a.Finding, a.Last = f.Process, f.Container, f.Kubernetes, f, f.ID
}

// mergeAttack adds f's techniques and reports whether one was new.
func mergeAttack(a *Alert, f *finding.Finding) bool {
	have := match.TechniqueIDs(a.Attack)
	brought := false
	for _, x := range f.Attack {
		if slices.ContainsFunc(a.Attack, func(y finding.Attack) bool { return sameAttack(x, y) }) {
			continue
		}
		a.Attack = append(a.Attack, x)
		for _, id := range match.TechniqueIDs([]finding.Attack{x}) {
			brought = brought || !slices.Contains(have, id)
		}
	}
	return brought
}

func sameAttack(x, y finding.Attack) bool {
	sub := func(a finding.Attack) string {
		if a.SubTechnique == nil {
			return ""
		}
		return a.SubTechnique.ID
	}
	return x.Tactic.ID == y.Tactic.ID && x.Technique.ID == y.Technique.ID && sub(x) == sub(y)
}

// alone sends one finding by itself, unless a rate holds it back.
func (t *Table) alone(st *State, x target, f *finding.Finding, j *joined) {
	if j != nil && !x.route.Never && !j.novel && !t.take(st, x.output) {
		t.hold(st, x.output, j.alert)
		return
	}
	st.Notifications = append(st.Notifications, single(st.Now, x, f))
}

// single is the notification of one finding. Its id depends on nothing but the finding and the output.
func single(now time.Time, x target, f *finding.Finding) finding.Notification {
	return finding.Notification{
		ID: digest("n-", "finding", x.output, f.ID), Kind: finding.KindFinding, Output: x.output, Route: x.route.Name,
		Time: now, Findings: []finding.Finding{*f},
	}
}

// pend adds f to what the thread has to tell, and says when.
func (t *Table) pend(st *State, x target, f *finding.Finding, j *joined, hidden bool) {
	key := threadKey(j.alert.ID, x)
	th := st.Threads[key]
	if th == nil {
		th = &Thread{Key: key, Alert: j.alert.ID, Route: x.route.Name, Output: x.output}
		st.Threads[key] = th
	}
	first := len(th.Pending) == 0 && th.Omitted == 0
	if first {
		th.Since = st.Now
	}
	th.Pending = append(th.Pending, f.ID)
	if len(th.Pending) > maxPending {
		th.Pending = slices.Delete(th.Pending, 0, 1)
		th.Omitted++
	}
	soon := st.Now.Add(x.route.group.wait)
	due := soon
	if !th.LastTold.IsZero() {
		// The window counts from the last notification, and never further than one window from now: clocks jump.
		next := th.LastTold.Add(x.route.group.window)
		if limit := st.Now.Add(x.route.group.window); next.After(limit) {
			next = limit
		}
		if next.After(due) {
			due = next
		}
	}
	if j.novel {
		th.Urgent = true
		due = soon
		if hidden || !th.LastTold.IsZero() || (!first && th.Due.After(soon)) { // it was being held back: tell at once
			due = st.Now
		}
	}
	// What is due earlier for other findings stays so; a reminder gives way.
	if first || (j.novel && due.Before(th.Due)) {
		th.Due = due
	}
	st.save(th)
}

func threadKey(alert string, x target) string {
	return alert + "|" + x.route.Name + "|" + x.output
}

// Route is a dry run of one finding; see Trace.
func (t *Table) Route(now time.Time, f *finding.Finding, silences []Silence) Trace {
	tr := Trace{Alerts: []map[string]string{}, Outputs: []string{}}
	stopped := false
	claimed := map[string]bool{}
	for _, r := range t.routes {
		step := RouteTrace{Route: r.Name, Outputs: []string{}}
		ok, why := r.match.Explain(f)
		switch {
		case stopped:
			step.Why = "an earlier route matched and does not continue"
		case !ok:
			step.Why = "does not match: " + why
		default:
			step.Matched = true
			for _, o := range r.Outputs {
				if claimed[o] {
					step.Why = "an earlier route sends it to " + o
					continue
				}
				claimed[o] = true
				step.Outputs = append(step.Outputs, o)
			}
			step.When = r.describe(now)
			stopped = !r.Continue
		}
		tr.Routes = append(tr.Routes, step)
	}
	tr.Suppressed = []SuppressTrace{}
	hidden := false
	for i := range silences {
		s := &silences[i]
		ok, why := s.Match.Explain(f)
		switch {
		case !s.Active(now):
			ok, why = false, "not active"
		case !ok:
			why = "does not match: " + why
		}
		hidden = hidden || ok
		tr.Suppressed = append(tr.Suppressed, SuppressTrace{"silence", s.ID, ok, why})
	}
	for _, h := range t.inhibit {
		ok, why := h.mute.Explain(f)
		if ok {
			why = "muted if a finding that matches its by, of severity " + f.Severity.String() + " or above and with the same " +
				joinNames(h.Equal) + ", was within " + h.Within.String()
			if _, has := h.key(f); !has {
				why = "a field of equal is missing: " + joinNames(h.Equal)
			}
		} else {
			why = "does not match: " + why
		}
		tr.Suppressed = append(tr.Suppressed, SuppressTrace{"inhibition", h.Name, false, why})
	}
	for _, x := range t.targets(f) {
		if !hidden || x.route.Never {
			tr.Outputs = append(tr.Outputs, x.output)
		}
	}
	slices.Sort(tr.Outputs)
	for _, g := range t.groupings(f) {
		tr.Alerts = append(tr.Alerts, g.values(f))
	}
	return tr
}

// Trace says what would become of a finding, and why.
type Trace struct {
	Routes     []RouteTrace        `json:"routes"`
	Suppressed []SuppressTrace     `json:"suppressed"`
	Alerts     []map[string]string `json:"alerts"`  // the groups it would belong to
	Outputs    []string            `json:"outputs"` // the outputs reached, sorted
}

// RouteTrace is what one route does.
type RouteTrace struct {
	Route   string   `json:"route"`
	Matched bool     `json:"matched"`
	Why     string   `json:"why,omitempty"`
	When    string   `json:"when,omitempty"`
	Outputs []string `json:"outputs"`
}

// SuppressTrace is what one silence or inhibition does.
type SuppressTrace struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Holds bool   `json:"holds"`
	Why   string `json:"why,omitempty"`
}

func (r *route) describe(now time.Time) string {
	if r.group.isolate {
		return "each finding, at once"
	}
	s := "after " + settings.FormatDuration(r.group.wait) + ", then at most every " + settings.FormatDuration(r.group.window) + " per " + joinNames(r.group.by)
	if r.Remind > 0 {
		s += ", again every " + r.Remind.String() + " until acknowledged"
	}
	if r.during != nil {
		if next, name := opens(r.during, now); next.After(now) {
			s += ", held until " + next.Format(time.RFC3339) + " (" + name + ")"
		}
	}
	return s
}

func joinNames(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
