package routing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
)

// Removed says what becomes of notifications that wait for outputs which are no longer configured. Without a word on them
// the router does not start, and a configuration that removes them is not taken: forgetting a receiver must not lose alerts.
type Removed struct {
	Drain   *configs.Config // the configuration that still had them: what waits is delivered as it said
	Discard []string        // names of outputs: what waits for them is deleted
}

// LoadRemoved reads the older configuration, if one is given.
func LoadRemoved(drain string, discard []string) (Removed, error) {
	r := Removed{Discard: discard}
	if drain == "" {
		return r, nil
	}
	old, err := configs.Load(drain, outputs.Types())
	if err != nil {
		return r, fmt.Errorf("--drain: %w", err)
	}
	r.Drain = old
	return r, nil
}

// checkRemoved returns an error when something waits for outputs that are not among those given and not provided for.
func (r *Router) checkRemoved(ctx context.Context, names []string) error {
	waiting, err := r.pipeline.Backlogs(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		delete(waiting, bus.Token(name))
	}
	for _, name := range r.opts.Removed.Discard {
		delete(waiting, bus.Token(name))
	}
	if old := r.opts.Removed.Drain; old != nil {
		for name := range old.Outputs {
			delete(waiting, bus.Token(name))
		}
	}
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		if n := waiting[name]; n > 0 {
			texts = append(texts, fmt.Sprintf("%d for %s", n, name))
		}
	}
	if texts == nil {
		return nil
	}
	return fmt.Errorf("notifications wait for outputs that the configuration no longer has (%s): "+
		"start with --drain OLD.yaml, the configuration that had them, to deliver them, or with --discard NAME to delete them", strings.Join(texts, ", "))
}

// removed does with what waits for removed outputs what the user said.
func (r *Router) removed(ctx context.Context) error {
	if err := r.checkRemoved(ctx, slices.Collect(maps.Keys(r.opts.Config.Outputs))); err != nil {
		return err
	}
	for _, name := range r.opts.Removed.Discard {
		if _, ok := r.opts.Config.Outputs[name]; ok {
			return fmt.Errorf("--discard %s: the configuration has that output", name)
		}
		n, err := r.pipeline.Discard(ctx, name, "--discard")
		if err != nil {
			return err
		}
		r.log.Warn("notifications of a removed output are deleted", "output", name, "notifications", n)
	}
	return nil
}

// drain delivers what waits for the outputs that only the old configuration has, and ends each when its queue is empty.
func (s *outputSet) drain(ctx context.Context, old *configs.Config) error {
	if old == nil {
		return nil
	}
	waiting, err := s.r.pipeline.Backlogs(ctx)
	if err != nil {
		return err
	}
	templates, err := outputs.ReadTemplates(old.Templates)
	if err != nil {
		return old.Errorf([]string{"templates"}, "%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(old.Outputs)) {
		if _, ok := s.r.opts.Config.Outputs[name]; ok || waiting[bus.Token(name)] == 0 {
			continue
		}
		env := outputEnv(old, name, s.r.bus.State(), templates)
		env.Log = s.r.log.With("output", name)
		out, err := outputs.Open(old.Outputs[name].Settings, env)
		if err != nil {
			return old.Place([]string{"outputs", name}, err)
		}
		run, err := s.start(context.WithoutCancel(ctx), name, out, old)
		if err != nil {
			return err
		}
		s.draining[name] = run
		s.r.log.Info("notifications of a removed output are delivered", "output", name, "notifications", waiting[bus.Token(name)])
		go s.untilEmpty(name, run)
	}
	return nil
}

func (s *outputSet) untilEmpty(name string, run *runningOutput) {
	ctx := context.Background()
	for tick := time.Tick(time.Second); ; {
		select {
		case <-run.done:
			return
		case <-tick:
		}
		waiting, err := s.r.pipeline.Backlogs(ctx)
		if err != nil || waiting[bus.Token(name)] > 0 {
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.draining[name] != run || s.running[name] != nil { // the program ends, or the output is back
			return
		}
		delete(s.draining, name)
		run.stop(ctx)
		if err := s.r.bus.Discard(ctx, name); err != nil {
			s.r.log.Warn("an empty queue can't be deleted", "output", name, "error", err)
			return
		}
		s.r.log.Info("all notifications of a removed output are delivered", "output", name)
		return
	}
}
