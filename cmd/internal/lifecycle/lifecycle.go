// Package lifecycle starts the parts of a program in order, and stops them in reverse.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// StopTimeout bounds how long Run lets all parts together take to stop.
const StopTimeout = 20 * time.Second

// Group is a program made of parts. Add the parts, then Run; or Start and Stop.
type Group struct {
	log    *slog.Logger
	parts  []part
	failed chan error

	mu    sync.Mutex
	stops []stop // of the parts that run, in the order in which they started
}

type part struct {
	name  string
	start func(context.Context) (Stop, error)
}

type stop struct {
	name string
	fn   Stop
}

// Stop ends a part. It may take until ctx is done. Nil is a part that needs no end.
type Stop func(ctx context.Context) error

// New returns an empty group.
func New(log *slog.Logger) *Group {
	return &Group{log: log, failed: make(chan error, 1)}
}

// Add appends a part. start returns when the part does its work; its context is the whole program's, and does not end
// before Stop has been called.
func (g *Group) Add(name string, start func(ctx context.Context) (Stop, error)) {
	g.parts = append(g.parts, part{name, start})
}

// AddRun appends a part that works until its context ends. When it returns before, the whole program fails with its error.
func (g *Group) AddRun(name string, run func(ctx context.Context) error) {
	g.Add(name, func(ctx context.Context) (Stop, error) {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() {
			err := run(ctx)
			if ctx.Err() == nil {
				if err == nil {
					err = errors.New("ended unexpectedly")
				}
				g.Fail(fmt.Errorf("%s: %w", name, err))
			}
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			done <- err
		}()
		return func(stopping context.Context) error {
			cancel()
			select {
			case err := <-done:
				return err
			case <-stopping.Done():
				return stopping.Err()
			}
		}, nil
	})
}

// Fail ends Run with err. Only the first call counts.
func (g *Group) Fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

// Start starts the parts in order. When one fails, those already started are stopped again.
func (g *Group) Start(ctx context.Context) error {
	for _, p := range g.parts {
		fn, err := p.start(ctx)
		if err != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
			defer cancel()
			return errors.Join(fmt.Errorf("start %s: %w", p.name, err), g.Stop(stopping))
		}
		g.log.Debug("started", "part", p.name)
		g.mu.Lock()
		g.stops = append(g.stops, stop{p.name, fn})
		g.mu.Unlock()
		if err := ctx.Err(); err != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
			defer cancel()
			return errors.Join(err, g.Stop(stopping))
		}
	}
	return nil
}

// Stop stops the running parts in reverse order, each even when an earlier one fails. It may be called again.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	stops := g.stops
	g.stops = nil
	g.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(stops) {
		if s.fn == nil {
			continue
		}
		if err := s.fn(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
			continue
		}
		g.log.Debug("stopped", "part", s.name)
	}
	return errors.Join(errs...)
}

// Run starts the parts, calls ready if it is not nil, waits until ctx is done or a part fails, and stops them.
func (g *Group) Run(ctx context.Context, ready func()) error {
	if err := g.Start(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	if ready != nil {
		ready()
	}
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-g.failed:
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout)
	defer cancel()
	return errors.Join(failure, g.Stop(stopping))
}

// Each calls f for each signal until ctx is done.
func Each(ctx context.Context, signals <-chan os.Signal, f func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			f()
		}
	}
}
