package routing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/deliver"
)

// outputSet is the outputs that deliver, each with a worker of its own.
type outputSet struct {
	r       *Router
	metrics *deliver.Metrics

	mu       sync.Mutex
	running  map[string]*runningOutput
	draining map[string]*runningOutput // of outputs that are no longer configured
}

type runningOutput struct {
	config    configs.Output
	templates *outputs.Templates
	worker    *deliver.Worker
	cancel    context.CancelFunc
	done      chan struct{}
}

func newOutputSet(r *Router) (*outputSet, error) {
	m, err := deliver.NewMetrics(r.opts.Registry)
	if err != nil {
		return nil, err
	}
	return &outputSet{r: r, metrics: m, running: map[string]*runningOutput{}, draining: map[string]*runningOutput{}}, nil
}

// apply makes the running outputs those of cfg: what is new starts, what is gone ends, what changed is started again.
// The queues keep what waits. All new outputs are opened before any old one ends.
func (s *outputSet) apply(ctx context.Context, cfg *configs.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	templates, err := outputs.ReadTemplates(cfg.Templates)
	if err != nil {
		return cfg.Errorf([]string{"templates"}, "%v", err)
	}
	opened := map[string]outputs.Output{}
	for _, name := range slices.Sorted(maps.Keys(cfg.Outputs)) {
		o := cfg.Outputs[name]
		if run := s.running[name]; run != nil && reflect.DeepEqual(run.config, o) && run.templates.Equal(templates) {
			continue
		}
		env := outputEnv(cfg, name, s.r.bus.State(), templates)
		env.Log = s.r.log.With("output", name)
		out, err := outputs.Open(o.Settings, env)
		if err != nil {
			for _, x := range opened {
				x.Close()
			}
			return cfg.Place([]string{"outputs", name}, err)
		}
		opened[name] = out
	}
	for name, run := range s.running {
		if _, keep := cfg.Outputs[name]; !keep || opened[name] != nil {
			run.stop(ctx)
			delete(s.running, name)
		}
	}
	var errs []error
	for name, out := range opened {
		if old := s.draining[name]; old != nil { // it is back
			delete(s.draining, name)
			old.stop(ctx)
		}
		run, err := s.start(ctx, name, out, cfg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		run.templates = templates
		s.running[name] = run
	}
	return errors.Join(errs...)
}

func (s *outputSet) start(ctx context.Context, name string, out outputs.Output, cfg *configs.Config) (*runningOutput, error) {
	o := cfg.Outputs[name]
	forwarder, _ := out.(outputs.Forwarder)
	queue, err := s.r.pipeline.Deliveries(ctx, name, bus.QueueOptions{Head: forwarder != nil && forwarder.Forwards()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the queue of output %s: %w", name, err), out.Close())
	}
	spec, _ := outputs.Lookup(o.Type)
	opts := deliver.Options{
		Name: name, Log: s.r.log, Metrics: s.metrics,
		Next:  func(ctx context.Context) (deliver.Delivery, error) { return queue.Next(ctx) },
		Batch: o.Batch.Max, BatchWait: o.Batch.Wait, Concurrency: o.Concurrency, Timeout: o.Timeout,
		Backoff: o.Retry.Backoff, GiveUp: o.Retry.GiveUp,
	}
	if opts.Batch == 0 {
		opts.Batch = spec.Batch
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = spec.Concurrency
	}
	if len(opts.Backoff) == 0 {
		opts.Backoff = cfg.Defaults.Retry.Backoff
	}
	if opts.GiveUp == 0 {
		opts.GiveUp = cfg.Defaults.Retry.GiveUp
	}
	// A limit whose overflow becomes a digest is the routing table's, which knows the alerts; here it only waits.
	if o.Rate.Overflow == "wait" {
		opts.Rate = deliver.Rate{Limit: o.Rate.Limit, Per: o.Rate.Per}
	}
	worker, err := deliver.New(out, opts)
	if err != nil {
		queue.Close()
		return nil, errors.Join(err, out.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	run := &runningOutput{config: o, worker: worker, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		defer queue.Close()
		defer out.Close()
		if err := worker.Run(ctx); err != nil {
			s.r.log.Error("output ended", "output", name, "error", err)
		}
	}()
	return run, nil
}

func (r *runningOutput) stop(ctx context.Context) {
	r.cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}

// stop ends all outputs at the same time.
func (s *outputSet) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.running)
	maps.Copy(all, s.draining)
	clear(s.running)
	clear(s.draining)
	for _, run := range all {
		run.cancel()
	}
	for name, run := range all {
		select {
		case <-run.done:
		case <-ctx.Done():
			return fmt.Errorf("output %s: %w", name, ctx.Err())
		}
	}
	return nil
}

// outputStatus is what an output does.
type outputStatus struct {
	deliver.Status
	config  configs.Output
	removed bool // it only delivers what waits for it
}

// status returns what each output does, those that are removed last.
func (s *outputSet) status() (out []outputStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.running)) {
		run := s.running[name]
		out = append(out, outputStatus{run.worker.Status(), run.config, false})
	}
	for _, name := range slices.Sorted(maps.Keys(s.draining)) {
		run := s.draining[name]
		out = append(out, outputStatus{run.worker.Status(), run.config, true})
	}
	return out
}
