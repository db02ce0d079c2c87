// Package sensor is the privileged half of Tocsin as one part of a program: events from the kernel are enriched, given to
// the rules, and the findings published. It is shared by tocsin-sensor and "tocsin run".
package sensor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/tocsin-io/tocsin/cmd/internal/memory"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// Kernel is where events come from; *bpf.Sensor is one.
type Kernel interface {
	// Select says which events are wanted from now on. It may be called at any time. Events that this kernel cannot give
	// are in the error, and the others are given.
	Select([]event.Selection) error
	// Run calls f with each event until ctx is done. An event is valid during the call.
	Run(ctx context.Context, f func(*event.Event)) error
	Close() error
}

// Options configure a Sensor. Kernel, Rules and Publish are needed.
type Options struct {
	Kernel        Kernel
	Rules         Rules
	Host, Cluster string
	// Publish takes each finding, one after the other. It must not wait for a disk or a network: when too many findings gather,
	// the events wait.
	Publish func(context.Context, *finding.Finding) error
	Enrich  enrich.Options
	Log     *slog.Logger
}

// maxHits bounds what waits to be made a finding, each with a copy of its event: about a megabyte.
const maxHits = 1024

// Sensor is a running sensor. Run is called once; all other methods may be called at any time, from anywhere.
type Sensor struct {
	opts     Options
	log      *slog.Logger
	engine   *detect.Engine
	enricher *enrich.Enricher
	free     chan *detect.Held // room for hits
	hits     chan *detect.Held // on their way to the publisher
	flush    func()            // closes hits, and waits until all are published

	ready    atomic.Bool
	handled  atomic.Uint64 // events
	unsent   atomic.Uint64
	reload   sync.Mutex
	loader   detect.Loader // of whoever holds reload
	problems atomic.Pointer[[]error]
	rules    atomic.Pointer[[]detect.Rule]
	missing  atomic.Pointer[[]error]
}

// New loads the rules and learns what runs on the host. Rule files that can't be used don't keep the others from
// working: Problems has them.
func New(opts Options) (*Sensor, error) {
	s := &Sensor{opts: opts, log: opts.Log, free: make(chan *detect.Held, maxHits), hits: make(chan *detect.Held, maxHits)}
	for range maxHits {
		s.free <- &detect.Held{}
	}
	rules, errs := opts.Rules.Load(&s.loader)
	s.problems.Store(&errs)
	engine, err := detect.New(detect.Options{Rules: rules, Sink: s.hold, Host: opts.Host, Cluster: opts.Cluster})
	if err != nil {
		return nil, err
	}
	s.engine = engine
	memory.Attach()
	s.rules.Store(&rules)
	published := make(chan struct{})
	go func() { defer close(published); s.report() }()
	s.flush = sync.OnceFunc(func() { close(s.hits); <-published })
	opts.Enrich.Derive = engine.Handle
	s.enricher = enrich.New(opts.Enrich)
	s.choose(engine.Selections())
	return s, nil
}

// choose selects events. Rules whose events this kernel cannot give stay quiet, and that is said.
func (s *Sensor) choose(selections []event.Selection) {
	s.enricher.Select(selections)
	err := s.opts.Kernel.Select(selections)
	var list []error
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		list = many.Unwrap()
	} else if err != nil {
		list = []error{err}
	}
	for _, err := range list {
		s.log.Info("event not available: rules that need it stay quiet", "error", err)
	}
	s.missing.Store(&list)
}

// Run handles events until ctx is done, and returns when what was found is published.
func (s *Sensor) Run(ctx context.Context) error {
	s.ready.Store(true)
	defer s.flush()
	defer s.ready.Store(false)
	return s.opts.Kernel.Run(ctx, s.handle)
}

func (s *Sensor) handle(ev *event.Event) {
	s.handled.Add(1)
	s.enricher.Apply(ev)
	if ev.Flags&event.FlagUnselected == 0 {
		s.engine.Handle(ev)
	}
}

// hold keeps a hit for report. When there is no room, the events wait.
func (s *Sensor) hold(hit detect.Hit) {
	h := <-s.free
	h.Hold(hit)
	s.hits <- h
}

// report makes findings of what the engine finds. It is a goroutine of its own: to make a finding takes longer than to find it, and the
// next events need not wait for that.
func (s *Sensor) report() {
	for h := range s.hits {
		f := h.Finding()
		s.free <- h
		s.publish(f)
	}
}

func (s *Sensor) publish(f *finding.Finding) {
	if err := s.opts.Publish(context.Background(), f); err != nil {
		s.unsent.Add(1)
		s.log.Error("finding not taken", "rule", f.Rule.ID, "finding", f.ID, "error", err)
	}
}

// Reload reads the rules again. When a file can't be used, the old set stays, and the error names it. No event is lost
// or seen by two sets: the events of both sets are selected while the rules are swapped.
func (s *Sensor) Reload() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	rules, errs := s.opts.Rules.Load(&s.loader)
	if len(errs) > 0 {
		s.problems.Store(&errs)
		for _, err := range errs {
			s.log.Error("rules not reloaded: the old set stays", "error", err)
		}
		return fmt.Errorf("reload rules: %w", errs[0])
	}
	set, err := s.engine.Compile(rules) // one that can't be compiled must not change the kernel
	if err != nil {
		s.log.Error("rules not reloaded: the old set stays", "error", err)
		return fmt.Errorf("reload rules: %w", err)
	}
	s.choose(merge(s.engine.Selections(), set.Selections()))
	s.engine.Use(set)
	s.choose(set.Selections())
	s.rules.Store(&rules)
	none := []error(nil)
	s.problems.Store(&none)
	memory.Settle()
	s.log.Info("rules reloaded", "rules", len(rules))
	return nil
}

// merge returns the selections that let through what either lets through.
func merge(a, b []event.Selection) []event.Selection {
	at := map[string]int{}
	var out []event.Selection
	for _, s := range append(append([]event.Selection(nil), a...), b...) {
		i, ok := at[s.Event]
		if !ok {
			at[s.Event] = len(out)
			s.Clauses = append([]event.Clause(nil), s.Clauses...)
			out = append(out, s)
			continue
		}
		if len(out[i].Clauses) == 0 || len(s.Clauses) == 0 {
			out[i].Clauses = nil // one of them wants every occurrence
			continue
		}
		out[i].Clauses = append(out[i].Clauses, s.Clauses...)
	}
	return out
}

// Close stops looking up containers and closes the kernel side. Run has returned, or was never called.
func (s *Sensor) Close() error {
	s.enricher.Close()
	s.flush()
	return s.opts.Kernel.Close()
}

// Ready reports whether events are handled.
func (s *Sensor) Ready() bool { return s.ready.Load() }

// Problems are the rule files that can't be used, as of the last load.
func (s *Sensor) Problems() []error { return *s.problems.Load() }

// Missing says which events that rules need this kernel cannot give, and why.
func (s *Sensor) Missing() []error { return *s.missing.Load() }

// Rules returns the metadata of the rules that are in force.
func (s *Sensor) Rules() []*detect.Metadata { return s.engine.Rules() }

// RuleList returns the rules that are in force, for their metadata and selectors.
func (s *Sensor) RuleList() []detect.Rule { return *s.rules.Load() }

// Events returns the names of the events that the rules need.
func (s *Sensor) Events() []string {
	var out []string
	for _, sel := range s.engine.Selections() {
		out = append(out, sel.Event)
	}
	return out
}
