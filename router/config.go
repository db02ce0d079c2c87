// Package router decides what becomes of findings: which alert a finding belongs to, which outputs are told, when, and
// what is held back. It is pure: no I/O, no goroutines, and the clock is passed in. A Table is what a configuration
// compiles to; a State is what the router remembers, loaded and saved by someone else in one transaction:
//
//	st := router.NewState(now, silences)
//	… load what table.Needs(findings) asks for into st …
//	table.Apply(st, findings)
//	… save what st says has changed, then queue st.Notifications, then acknowledge the findings …
//
// Because an attacker can cause findings, everything that holds a notification back is bounded in time, recorded on the
// alert, and broken at once by a rise in severity or a new technique.
//
// A Table is immutable and safe for concurrent use; a State belongs to one goroutine.
package router

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// Config is the routing part of the configuration. The zero value makes alerts and tells nobody.
type Config struct {
	Defaults Group
	Outputs  map[string]Output
	Times    map[string]Times
	Routes   []Route
	Inhibit  []Inhibit
	Silences SilenceLimits
}

// Group says how findings are put together. In a route, what is nil or empty is taken from the defaults.
type Group struct {
	None   bool           // every finding by itself
	By     []string       // fields of the matcher grammar; default rule, host, container
	Wait   *time.Duration // how long the first notification waits for more; default 5 s
	Window *time.Duration // the least time between two notifications of an alert; default 10 min
}

// Output is what routing must know of an output.
type Output struct {
	Rate Rate
}

// Rate bounds the notifications to one output; what exceeds it is told in one digest. Limit 0 means no bound.
type Rate struct {
	Limit int
	Per   time.Duration
}

// Route sends the findings that match to outputs.
type Route struct {
	Name     string
	Match    any // as match.Parse takes it; nil matches everything
	Outputs  []string
	Group    *Group
	Never    bool // suppress: never: no silence, inhibition, interval or rate holds it back
	Continue bool // look at the next routes, too
	Remind   time.Duration
	During   []string // names in Times; while none of them is open notifications are held
}

// Inhibit mutes findings that another finding explains.
type Inhibit struct {
	Name   string
	By     any // matches the finding that explains
	Mute   any // matches what is muted
	Equal  []string
	Within time.Duration // default 5 min
}

// Error is a mistake in a Config. Path leads to it as in the configuration file: "routes", "1", "match", "severty".
type Error struct {
	At  []string
	Msg string
}

func (e *Error) Error() string {
	var b strings.Builder
	for _, p := range e.At {
		switch {
		case p != "" && strings.Trim(p, "0123456789") == "":
			b.WriteString("[" + p + "]")
		case b.Len() > 0:
			b.WriteString("." + p)
		default:
			b.WriteString(p)
		}
	}
	return b.String() + ": " + e.Msg
}

// Path is where the mistake is.
func (e *Error) Path() []string { return e.At }

const (
	defaultWait   = 5 * time.Second
	defaultWindow = 10 * time.Minute
	defaultWithin = 5 * time.Minute
)

var defaultBy = []string{"rule", "host", "container"}

// Table is a compiled Config.
type Table struct {
	routes   []*route
	byName   map[string]*route
	grouping *grouping // the default, for findings that no grouping route takes
	inhibit  []*inhibitor
	outputs  map[string]Output
	limits   SilenceLimits
}

type grouping struct {
	by      []string
	get     []match.Getter
	byText  string
	wait    time.Duration
	window  time.Duration
	isolate bool // group: none
}

type route struct {
	Route
	match  match.Matcher
	group  *grouping
	during []*interval
}

// Compile checks c. An error is an *Error that says where.
func Compile(c Config) (*Table, error) {
	t := &Table{byName: map[string]*route{}, outputs: c.Outputs, limits: c.Silences}
	base := &grouping{wait: defaultWait, window: defaultWindow, by: defaultBy}
	if err := base.bind(); err != nil {
		return nil, err
	}
	var err error
	if t.grouping, err = base.with(&c.Defaults, []string{"defaults", "group"}); err != nil {
		return nil, err
	}
	if t.grouping.isolate {
		return nil, &Error{[]string{"defaults", "group"}, "none would leave findings without an alert: set it on routes"}
	}
	for name, o := range c.Outputs {
		if o.Rate.Limit < 0 || (o.Rate.Limit > 0 && o.Rate.Per <= 0) {
			return nil, &Error{[]string{"outputs", name, "rate"}, "needs a limit above 0 and a time, such as {limit: 20, per: 1m}"}
		}
	}
	times := map[string]*interval{}
	for name, x := range c.Times {
		if times[name], err = x.compile(name); err != nil {
			return nil, err
		}
	}
	for i, r := range c.Routes {
		x, err := t.compileRoute(r, i, times)
		if err != nil {
			return nil, err
		}
		if t.byName[x.Name] != nil {
			return nil, &Error{[]string{"routes", fmt.Sprint(i), "name"}, fmt.Sprintf("%q is the name of an earlier route", x.Name)}
		}
		t.routes = append(t.routes, x)
		t.byName[x.Name] = x
	}
	for i, h := range c.Inhibit {
		x, err := compileInhibit(h, i)
		if err != nil {
			return nil, err
		}
		t.inhibit = append(t.inhibit, x)
	}
	return t, nil
}

func (t *Table) compileRoute(r Route, i int, times map[string]*interval) (*route, error) {
	at := func(more ...string) []string { return append([]string{"routes", fmt.Sprint(i)}, more...) }
	if r.Name == "" {
		r.Name = fmt.Sprintf("route-%d", i+1)
	}
	x := &route{Route: r}
	var err error
	if x.match, err = parseMatch(r.Match, at("match")); err != nil {
		return nil, err
	}
	if len(r.Outputs) == 0 {
		return nil, &Error{at("outputs"), "a route needs an output"}
	}
	for j, o := range r.Outputs {
		if _, ok := t.outputs[o]; !ok {
			return nil, &Error{at("outputs", fmt.Sprint(j)), fmt.Sprintf("no output is named %q: there are %s", o, strings.Join(sortedNames(t.outputs), ", "))}
		}
	}
	if x.group, err = t.grouping.with(r.Group, at("group")); err != nil {
		return nil, err
	}
	if r.Remind < 0 || (r.Remind > 0 && r.Remind < time.Second) {
		return nil, &Error{at("remind"), "must be at least 1s"}
	}
	for j, name := range r.During {
		iv := times[name]
		if iv == nil {
			return nil, &Error{at("during", fmt.Sprint(j)), fmt.Sprintf("no interval is named %q: there are %s", name, strings.Join(sortedNames(times), ", "))}
		}
		if x.group.isolate {
			return nil, &Error{at("during"), "single findings (group: none) are not held: group them, or leave during out"}
		}
		x.during = append(x.during, iv)
	}
	if r.Remind > 0 && x.group.isolate {
		return nil, &Error{at("remind"), "single findings (group: none) have no reminders"}
	}
	return x, nil
}

// with lays g over the defaults.
func (base *grouping) with(g *Group, at []string) (*grouping, error) {
	if g == nil {
		return base, nil
	}
	x := *base
	x.isolate = g.None
	if len(g.By) > 0 {
		x.by = g.By
	}
	if g.Wait != nil {
		x.wait = *g.Wait
	}
	if g.Window != nil {
		x.window = *g.Window
	}
	if x.wait < 0 || x.window < 0 {
		return nil, &Error{at, "wait and window can't be negative"}
	}
	if err := x.bind(); err != nil {
		return nil, &Error{append(at, "by"), err.Error()}
	}
	return &x, nil
}

func (g *grouping) bind() error {
	g.get = make([]match.Getter, len(g.by))
	for i, name := range g.by {
		get, err := match.Field(name)
		if err != nil {
			return err
		}
		g.get[i] = get
	}
	g.byText = strings.Join(g.by, ",")
	return nil
}

// key identifies the group that f belongs to. Routes that group by the same fields share it.
func (g *grouping) key(f *finding.Finding) string {
	parts := make([]string, 0, 1+len(g.get))
	parts = append(parts, g.byText)
	for _, get := range g.get {
		parts = append(parts, get(f))
	}
	return digest("g-", parts...)
}

func (g *grouping) values(f *finding.Finding) map[string]string {
	m := make(map[string]string, len(g.by))
	for i, get := range g.get {
		if v := get(f); v != "" {
			m[g.by[i]] = v
		}
	}
	return m
}

func parseMatch(v any, at []string) (match.Matcher, error) {
	m, err := match.Parse(v)
	if err != nil {
		var e *match.Error
		if errors.As(err, &e) {
			return m, &Error{append(at, e.Path()...), e.Msg}
		}
		return m, &Error{at, err.Error()}
	}
	return m, nil
}

// Outputs lists the names of the outputs.
func (t *Table) Outputs() []string { return sortedNames(t.outputs) }
