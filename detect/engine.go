package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/plan"
	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/detect/state"
	"github.com/tocsin-io/tocsin/event"
)

// DefaultTimeout bounds one evaluation of one rule.
const DefaultTimeout = 100 * time.Millisecond

// patience multiplies the time-out for rules in Go: only the clock tells how long they take, and on a busy machine they may
// wait for the processor.
const patience = 10

// Options configure an Engine. The zero value works, and finds nothing.
type Options struct {
	Rules []Rule
	// Sink takes what is found. It is called from Handle; Hit.Finding makes the finding.
	Sink func(Hit)
	// Host and Cluster stand in the findings. An empty Host is each event's own host name.
	Host, Cluster string
	// Timeout bounds the work of one evaluation; 0 means DefaultTimeout. Waiting for a busy processor does not count, as far
	// as that can be told apart.
	Timeout time.Duration
	// Exceptions hold findings back, beside those in the rules' own metadata.
	Exceptions []Exception
	// Enable and Disable name rules, by id, that are on or off against their own metadata.
	Enable, Disable []string
}

// Engine gives events to rules and makes findings of their matches.
type Engine struct {
	opts   Options
	set    atomic.Pointer[Ruleset]
	mu     sync.Mutex            // serialises what changes the rules
	states map[string]*ruleState // by rule id; kept over Replace, so that counters and limits go on

	reports *reporter
	serial  uint64 // of the event at hand
	eval    evalContext
	scratch scratch
	native  native.Scratch
	data    []byte // of an answer
	machine plan.Machine
	memory  state.Context // of the rule at hand
	began   bool          // the machine looks at the event at hand
}

// New returns an engine with the rules and exceptions of the options.
func New(opts Options) (*Engine, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Sink == nil {
		opts.Sink = func(Hit) {}
	}
	e := &Engine{opts: opts, states: map[string]*ruleState{}, reports: &reporter{host: opts.Host, cluster: opts.Cluster}, eval: evalContext{Context: context.Background()}}
	e.memory.Context = context.Background()
	e.machine.SetContext(&e.memory)
	if err := e.Replace(opts.Rules); err != nil {
		return nil, err
	}
	return e, nil
}

// HostName returns the name of this host, for Options.Host.
func HostName() string {
	h, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return h
}

// Replace compiles rules and uses them. On an error the old set stays.
func (e *Engine) Replace(rules []Rule) error {
	set, err := e.Compile(rules)
	if err != nil {
		return err
	}
	e.Use(set)
	return nil
}

// Use swaps the rules for a set that the engine compiled. Every event is seen by the whole old or the whole new set, and none is
// lost. Counters and rate limits of rules that stay, by id, go on.
func (e *Engine) Use(set *Ruleset) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keep := map[string]*ruleState{}
	for _, r := range set.rules {
		r.state.limiter, r.state.counter = r.limiter, r.counter
		keep[r.meta.ID] = r.state
	}
	e.states = keep
	e.set.Store(set)
}

// Rules returns the metadata of the present rules, in the order in which they were given.
func (e *Engine) Rules() []*Metadata {
	set := e.set.Load()
	out := make([]*Metadata, len(set.rules))
	for i, r := range set.rules {
		out[i] = r.meta
	}
	return out
}

// Selections says which events the present rules need.
func (e *Engine) Selections() []event.Selection { return e.set.Load().Selections() }

// Selections says which events the rules of the set need.
func (s *Ruleset) Selections() []event.Selection { return s.selections }

// RuleStats are the counters of one rule since the engine was made.
type RuleStats struct {
	ID          string        `json:"id"`
	Evaluations uint64        `json:"evaluations"` // asked for its verdict: events that no cheaper condition ruled out
	Matches     uint64        `json:"matches"`
	Findings    uint64        `json:"findings"`
	Errors      uint64        `json:"errors"` // time-outs included
	Timeouts    uint64        `json:"timeouts"`
	Limited     uint64        `json:"limited"`  // matches held back by the rate limit, counted into a later finding
	Excepted    uint64        `json:"excepted"` // matches that an exception covers
	Time        time.Duration `json:"time"`     // spent in evaluations
}

// Stats returns the counters of the present rules.
func (e *Engine) Stats() []RuleStats {
	set := e.set.Load()
	out := make([]RuleStats, len(set.rules))
	for i, r := range set.rules {
		s := r.state
		out[i] = RuleStats{
			ID: r.meta.ID, Evaluations: s.evaluations.Load(), Matches: s.matches.Load(), Findings: s.findings.Load(), Errors: s.errors.Load(),
			Timeouts: s.timeouts.Load(), Limited: s.limited.Load(), Excepted: s.excepted.Load(), Time: time.Duration(s.nanos.Load()),
		}
	}
	return out
}

// ruleState is what outlives a reload.
type ruleState struct {
	evaluations, matches, findings, errors, timeouts, limited, excepted atomic.Uint64

	nanos    atomic.Int64
	reported time.Time // when an error of the rule was last reported as a finding
	failed   uint64    // errors since then
	limiter  *limiter
	counter  *counter
	memory   state.Memory
}

// Ruleset is an immutable set of rules, compiled for one engine.
type Ruleset struct {
	rules      []*rule
	byID       []*dispatch          // by event.ID, for events of the catalogue
	byName     map[string]*dispatch // for documents that the catalogue does not describe
	any        *dispatch            // … and that no rule names
	selections []event.Selection
}

// rule is a Rule in a Ruleset.
type rule struct {
	Rule
	meta       *Metadata
	about      *subject
	state      *ruleState
	limiter    *limiter // those of state, unless the rule's metadata changed
	counter    *counter
	exceptions []exception
}

// dispatch is what happens to one kind of event.
type dispatch struct {
	entries []entry
	// programs find candidates among the entries, by origin; nil for foreign documents, whose values have no fixed type.
	programs [3]*native.Program
	// clauses say, by origin and entry, what the rules ask. They are only kept until the selection is known.
	clauses [3]map[int32]*native.Clauses
	// selects is what the sensor is asked for; nil for nothing.
	selects *event.Selection
}

type entry struct {
	rule    *rule
	number  int32 // in dispatch.entries
	origins event.Origins
	exact   event.Origins // those in which the native conditions are the whole rule
	// answers give, by origin, the answer of an exact rule; nil where the plan does.
	answers [3]func(*native.Scratch, *event.Event, []byte) ([]byte, bool)
}

var noEntries = &dispatch{}

// Compile makes a set of rules that the engine can use.
func (e *Engine) Compile(rules []Rule) (*Ruleset, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	set, err := e.gather(rules)
	if err != nil {
		return nil, err
	}
	set.build(e.set.Load())
	return set, nil
}

// gather makes a set of the rules that are on, without its tables.
func (e *Engine) gather(rules []Rule) (*Ruleset, error) {
	set := &Ruleset{byName: map[string]*dispatch{}}
	seen := map[string]bool{}
	for _, r := range rules {
		meta := r.Metadata()
		if slices.Contains(e.opts.Disable, meta.ID) || (meta.Disabled && !slices.Contains(e.opts.Enable, meta.ID)) {
			continue
		}
		if seen[meta.ID] {
			return nil, fmt.Errorf("two rules have the id %q", meta.ID)
		}
		seen[meta.ID] = true
		x := &rule{Rule: r, meta: meta, about: subjectOf(meta), state: e.states[meta.ID]}
		if x.state == nil {
			x.state = &ruleState{}
		}
		var err error
		x.limiter, x.counter = newLimiter(x.state.limiter, meta.Rate), newCounter(x.state.counter, meta.Threshold)
		if x.exceptions, err = compileExceptions(meta, e.opts.Exceptions); err != nil {
			return nil, fmt.Errorf("rule %s: %w", meta.ID, err)
		}
		set.rules = append(set.rules, x)
	}
	return set, nil
}

// selected are the names of the events that the rules select.
func (s *Ruleset) selected() map[string]bool {
	names := map[string]bool{}
	for _, r := range s.rules {
		for _, sel := range r.Selectors() {
			names[sel.Name] = true
		}
	}
	return names
}

// defs are the events of which each has a dispatch of its own: a rule about any event does not ask for every system call.
func (s *Ruleset) defs() []*event.Def {
	var out []*event.Def
	for i := range event.All() {
		out = append(out, &event.All()[i])
	}
	names := s.selected()
	for i := range event.Syscalls() {
		if def := &event.Syscalls()[i]; names[def.Name] {
			out = append(out, def)
		}
	}
	return out
}

// build makes the dispatch tables. What is the same as in another set, which may be nil, is taken from there.
func (s *Ruleset) build(other *Ruleset) {
	s.any = s.dispatch("", nil)
	s.byID = make([]*dispatch, event.MaxID+1)
	for i := range s.byID {
		s.byID[i] = noEntries
	}
	for i := range event.Syscalls() {
		s.byID[event.Syscalls()[i].ID] = s.any
	}
	names := s.selected()
	for _, def := range s.defs() {
		d := s.dispatch(def.Name, nil)
		if other == nil || !d.take(other.byID[def.ID]) {
			d = s.dispatch(def.Name, def)
			if sel, ok := d.selection(def); ok {
				d.selects = &sel
			}
			d.clauses = [3]map[int32]*native.Clauses{}
		}
		s.byID[def.ID] = d
		if d.selects != nil {
			s.selections = append(s.selections, *d.selects)
		}
		names[def.Name] = true
	}
	for name := range names {
		if name != "" {
			s.byName[name] = s.dispatch(name, nil)
		}
	}
	for _, r := range s.rules {
		if r, ok := r.Rule.(*regoRule); ok {
			r.policy.Release()
		}
	}
}

// dispatch gathers the rules that select the named event. def is nil for foreign documents.
func (s *Ruleset) dispatch(name string, def *event.Def) *dispatch {
	d := &dispatch{}
	for _, r := range s.rules {
		if o, ok := originsOf(r.Selectors(), name); ok {
			d.entries = append(d.entries, entry{rule: r, number: int32(len(d.entries)), origins: o})
		}
	}
	if def == nil {
		return d
	}
	for o := range d.programs {
		b := native.NewBuilder(def, event.Origin(o))
		clauses := map[int32]*native.Clauses{}
		for i := range d.entries {
			en := &d.entries[i]
			if !en.origins.Has(event.Origin(o)) {
				continue
			}
			var c *native.Clauses
			switch r := en.rule.Rule.(type) {
			case *regoRule:
				c = b.Add(en.number, r.condition(), r.policy.AddressText)
				if c.Exact {
					en.exact |= 1 << o
					en.answers[o] = r.policy.Answers().Compile(def, event.Origin(o), r.policy.AddressText)
				}
			case Conditioner:
				c = b.Add(en.number, r.Condition(), false)
			default:
				c = b.Add(en.number, nil, false)
			}
			clauses[en.number] = c
		}
		d.clauses[o] = clauses
		d.programs[o] = b.Build()
	}
	return d
}

// take takes over what another dispatch was compiled to, if it is of the same rules.
func (d *dispatch) take(other *dispatch) bool {
	if other.programs[0] == nil || len(d.entries) != len(other.entries) {
		return false
	}
	for i, en := range d.entries {
		if old := other.entries[i]; en.origins != old.origins || !sameRule(en.rule.Rule, old.rule.Rule) {
			return false
		}
	}
	for i := range d.entries {
		en, old := &d.entries[i], other.entries[i]
		en.exact, en.answers = old.exact, old.answers
	}
	d.programs, d.selects = other.programs, other.selects
	return true
}

// sameRule reports whether two rules ask the same of events.
func sameRule(a, b Rule) bool {
	x, ok1 := a.(*regoRule)
	y, ok2 := b.(*regoRule)
	if ok1 || ok2 {
		return ok1 && ok2 && x.policy == y.policy
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// originsOf unites the origins for which any of the selectors wants the event. The empty set is all origins.
func originsOf(selectors []Selector, name string) (event.Origins, bool) {
	var o event.Origins
	wanted := false
	for _, s := range selectors {
		if (s.Name != "" && s.Name != name) || (s.Source != "" && s.Source != "tracee" && s.Source != "tocsin") {
			continue
		}
		wanted = true
		switch s.Origin {
		case "host":
			o |= event.InHost
		case "container":
			o |= event.InContainer
		case "container-init":
			o |= event.InContainerInit
		default:
			o |= event.InHost | event.InContainer | event.InContainerInit
		}
	}
	if o == event.InHost|event.InContainer|event.InContainerInit {
		o = 0
	}
	return o, wanted
}

// Handle gives one event to the rules that select it and calls the sink for each match, before it returns.
// The event is only used during the call.
func (e *Engine) Handle(ev *event.Event) {
	if ev.Flags&event.FlagUnselected != 0 {
		return // delivered for enrichment alone
	}
	e.serial++
	set := e.set.Load()
	d := set.find(ev)
	origin := ev.Origin()
	if p := d.programs[origin]; p != nil {
		p.Match(&e.native, ev)
		if len(e.native.Candidates) == 0 {
			return
		}
		slices.Sort(e.native.Candidates)
		for _, n := range e.native.Candidates {
			en := &d.entries[n]
			// Where the native conditions are the whole rule, a match that makes no finding need not be confirmed.
			known := en.exact&(1<<origin) != 0
			if !known {
				e.ask(en.rule, ev, false)
			} else if e.counts(en.rule, ev) && !e.answer(en, ev, origin) {
				e.ask(en.rule, ev, true)
			}
		}
	} else {
		for i := range d.entries {
			if en := &d.entries[i]; en.origins.Has(origin) {
				e.ask(en.rule, ev, false)
			}
		}
	}
	e.scratch.reset()
	e.began = false
}

func (s *Ruleset) find(ev *event.Event) *dispatch {
	if !ev.Def.Dynamic {
		return s.byID[ev.ID]
	}
	if d := s.byName[ev.Def.Name]; d != nil {
		return d
	}
	return s.any
}

// counts notes a match, and reports whether it is to be a finding.
func (e *Engine) counts(r *rule, ev *event.Event) bool {
	r.state.matches.Add(1)
	if e.excepted(r, ev) {
		r.state.excepted.Add(1)
		return false
	}
	return r.counter.reached(&e.scratch, ev)
}

// answer makes a finding of a match that the native conditions decided, where the answer needs no evaluation either.
func (e *Engine) answer(en *entry, ev *event.Event, origin event.Origin) bool {
	write := en.answers[origin]
	if write == nil {
		return false
	}
	data, ok := write(&e.native, ev, e.data[:0])
	e.data = data
	if !ok {
		return false
	}
	e.found(en.rule, ev, &Match{Data: data})
	return true
}

// ask gives the event to one rule. counted: it is known to match, and its match counts.
func (e *Engine) ask(r *rule, ev *event.Event, counted bool) {
	start := time.Now()
	e.eval.deadline = start.Add(patience * e.opts.Timeout)
	m, err := e.match(r, ev)
	s := r.state
	took := time.Since(start)
	s.nanos.Add(int64(took))
	s.evaluations.Add(1)
	if _, isRego := r.Rule.(*regoRule); err == nil && !isRego && took > patience*e.opts.Timeout {
		err = policy.ErrTimeout // a rule in Go can't be interrupted; say that it was late
	}
	if err != nil {
		s.errors.Add(1)
		if errors.Is(err, policy.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
			s.timeouts.Add(1)
		}
		e.reportError(r, ev, err, start)
	}
	if m != nil && (counted || e.counts(r, ev)) {
		e.found(r, ev, m)
	}
}

// found makes a finding of a match that counts.
func (e *Engine) found(r *rule, ev *event.Event, m *Match) {
	s := r.state
	held, ok := r.limiter.allow(&e.scratch, ev)
	if !ok {
		s.limited.Add(1)
		return
	}
	s.findings.Add(1)
	e.opts.Sink(e.hit(r.about, ev, m, max(uint64(ev.Count), 1)+held))
}

func (e *Engine) hit(about *subject, ev *event.Event, m *Match, count uint64) Hit {
	return Hit{about: about, reports: e.reports, serial: e.serial, event: ev, data: m.Data, message: m.Message, count: count}
}

// match calls the rule and turns a panic into an error: one rule must never stop the others.
func (e *Engine) match(r *rule, ev *event.Event) (m *Match, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("the rule panicked: %v", p)
		}
	}()
	if rr, ok := r.Rule.(*regoRule); ok {
		if !e.began {
			e.machine.Begin(ev)
			e.memory.Now = time.Unix(0, int64(ev.Timestamp))
			e.began = true
		}
		e.memory.Memory = &r.state.memory
		return rr.confirm(&e.machine, ev, e.opts.Timeout)
	}
	if m, err = r.Match(&e.eval, ev); m != nil && len(m.Data) > 0 && !json.Valid(m.Data) {
		m, err = &Match{Message: m.Message}, errors.Join(err, errors.New("the data of a match is not JSON"))
	}
	return m, err
}

// evalContext is the context of one evaluation, reused for the next.
type evalContext struct {
	context.Context
	deadline time.Time
}

func (c *evalContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *evalContext) Err() error {
	if time.Now().After(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
