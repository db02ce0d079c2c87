// Package pipeline is the router's shell: it moves findings from the bus through the pure core into the store, and
// notifications from there into the queues of outputs.
//
//	FINDINGS ─▶ one transaction: findings, alerts, threads, outbox ─▶ DELIVER_<output> ─▶ acknowledge the findings
//
// Nothing is acknowledged before it is stored, and everything has an id that a repeat does not change: whenever the
// process dies, the work is done again to the same effect. Several pipelines on one NATS and one PostgreSQL share the
// work.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

// Options are what a Pipeline works with. Bus and Store are needed, and stay the caller's to close.
type Options struct {
	Bus      *bus.Bus
	Store    *store.Store
	Streams  bus.Streams   // bounds; the outputs are those of the table
	Retain   time.Duration // of closed alerts and findings; 0 means 90 days
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Pipeline is safe for concurrent use.
type Pipeline struct {
	opts    Options
	log     *slog.Logger
	table   atomic.Pointer[router.Table]
	metrics *metrics
	results chan result
	due     chan time.Time // something is due then
	asked   chan struct{}  // people have changed something
	outbox  chan struct{}  // something is to be queued
	ready   atomic.Bool
	ended   chan struct{} // closed when nobody records results any more
}

const (
	batchSize = 1000
	// maxWait is how often the store is asked what is due.
	maxWait     = time.Second
	outboxEvery = 5 * time.Second
)

// New creates the streams that table needs.
func New(ctx context.Context, table *router.Table, opts Options) (*Pipeline, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Retain == 0 {
		opts.Retain = 90 * 24 * time.Hour
	}
	p := &Pipeline{
		opts: opts, log: opts.Log, metrics: newMetrics(opts.Registry), results: make(chan result, 4*batchSize),
		due: make(chan time.Time, 16), asked: make(chan struct{}, 1), outbox: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if opts.Registry != nil {
		if err := opts.Registry.Register(backlog{p}); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return p, p.Reload(ctx, table)
}

// Reload changes to a new table. What waits by the old one is kept.
func (p *Pipeline) Reload(ctx context.Context, table *router.Table) error {
	s := p.opts.Streams
	s.Outputs = table.Outputs()
	if err := p.opts.Bus.Ensure(ctx, s); err != nil {
		return err
	}
	p.table.Store(table)
	return nil
}

// Table is the one in force.
func (p *Pipeline) Table() *router.Table { return p.table.Load() }

// Ready reports whether the pipeline is at work: connected, and the last transaction went well.
func (p *Pipeline) Ready() bool { return p.ready.Load() && p.opts.Bus.Connected() }

// Run works until ctx is done; then it finishes what it has begun. It runs once.
func (p *Pipeline) Run(ctx context.Context) error {
	err := p.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *Pipeline) run(ctx context.Context) error {
	findings, err := p.opts.Bus.Findings(ctx)
	if err != nil {
		return err
	}
	defer findings.Close()
	letters, err := p.opts.Bus.DeadLetters(ctx)
	if err != nil {
		return err
	}
	defer letters.Close()
	p.ready.Store(true)
	defer p.ready.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	stored := make(chan work, 2)
	g.Go(func() error { defer close(stored); return p.consume(ctx, findings, stored) })
	g.Go(func() error { p.forward(stored); return nil })
	g.Go(func() error { return p.watchAsked(ctx) })
	g.Go(func() error { return p.watchDue(ctx) })
	g.Go(func() error { return p.watchOutbox(ctx) })
	g.Go(func() error { return p.watchDead(ctx, letters) })
	g.Go(func() error { defer close(p.ended); return p.record(ctx) })
	g.Go(func() error { return p.keep(ctx) })
	return g.Wait()
}

// work is what a transaction has stored: notifications to queue, and then findings to acknowledge.
type work struct {
	direct []bus.QueuedNotification // single findings: not in the outbox
	kept   []bus.QueuedNotification // in the outbox
	notes  []finding.Notification   // of direct
	acks   []bus.FindingMessage
}

// consume stores findings, batch after batch.
func (p *Pipeline) consume(ctx context.Context, from *bus.Findings, to chan<- work) error {
	for {
		msgs, err := from.Next(ctx, batchSize)
		if err != nil {
			return err
		}
		list := make([]finding.Finding, len(msgs))
		bodies := make(map[string][]byte, len(msgs))
		for i := range msgs {
			list[i] = msgs[i].Finding
			bodies[list[i].ID] = msgs[i].Body()
		}
		// A batch that is begun is finished, also when ctx is done: it takes milliseconds.
		w, err := p.insist(ctx, func() (work, error) { return p.storeFindings(list, bodies) })
		if err != nil {
			return err
		}
		w.acks = msgs
		p.metrics.findings.Add(float64(len(list)))
		to <- w
	}
}

// insist repeats f until it succeeds or ctx is done. A store that fails (a full disk) holds everything back: nothing is
// acknowledged, and NATS keeps it.
func (p *Pipeline) insist(ctx context.Context, f func() (work, error)) (work, error) {
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		w, err := f()
		p.ready.Store(err == nil)
		if err == nil {
			return w, nil
		}
		p.metrics.failures.Inc()
		p.log.Error("the store does not take findings: they wait in NATS until it does", "error", err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return w, ctx.Err()
		}
	}
}

func (p *Pipeline) storeFindings(list []finding.Finding, bodies map[string][]byte) (work, error) {
	table := p.table.Load()
	needs := table.Needs(list)
	ctx := context.Background()
	var w work
	var st *router.State
	started := time.Now()
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		w = work{}
		now := time.Now()
		silences, err := tx.Silences(ctx, now)
		if err != nil {
			return err
		}
		st = router.NewState(now, silences)
		if err := tx.Load(ctx, needs, st); err != nil {
			return err
		}
		table.Apply(st, list)
		return p.save(ctx, tx, st, &w, bodies)
	})
	if err != nil {
		return w, err
	}
	p.metrics.batch.Observe(time.Since(started).Seconds())
	p.metrics.suppressedBy(st.Counts)
	if at := st.NextDue(); !at.IsZero() {
		select {
		case p.due <- at:
		default: // the store knows it, too
		}
	}
	return w, nil
}

// save writes the changes and the outbox, and encodes the notifications. bodies are the findings' JSON, where it is at hand.
func (p *Pipeline) save(ctx context.Context, tx *store.Tx, st *router.State, w *work, bodies map[string][]byte) error {
	for i := range st.Added {
		st.Added[i].Body = bodies[st.Added[i].Finding.ID]
	}
	if err := tx.Save(ctx, st.Changes()); err != nil {
		return err
	}
	for i := range st.Notifications {
		n := &st.Notifications[i]
		body, err := encode(n, bodies)
		if err != nil {
			return fmt.Errorf("encode notification: %w", err)
		}
		q := bus.QueuedNotification{ID: n.ID, Output: n.Output, Body: body}
		if n.Kind == finding.KindFinding {
			w.direct, w.notes = append(w.direct, q), append(w.notes, *n)
			continue
		}
		if err := tx.Outbox(ctx, n, body); err != nil {
			return err
		}
		w.kept = append(w.kept, q)
	}
	return nil
}

// encode writes a notification. A single finding is taken over as it came, without being encoded again.
func encode(n *finding.Notification, bodies map[string][]byte) ([]byte, error) {
	if n.Kind != finding.KindFinding || bodies[n.Findings[0].ID] == nil {
		return finding.Marshal(n)
	}
	frame := *n
	frame.Findings = nil
	b, err := finding.Marshal(&frame)
	if err != nil {
		return nil, err
	}
	body := bodies[n.Findings[0].ID]
	out := make([]byte, 0, len(b)+len(body)+len(`,"findings":[]}`))
	out = append(out, b[:len(b)-1]...)
	out = append(out, `,"findings":[`...)
	out = append(out, body...)
	return append(out, ']', '}'), nil
}

// forward queues what is stored and acknowledges the findings. It ends when its channel is closed, with all done.
func (p *Pipeline) forward(from <-chan work) {
	for w := range from {
		if p.queue(w) {
			for i := range w.acks {
				w.acks[i].Ack()
			}
		}
	}
}

// queue publishes notifications. What a queue does not take waits in the outbox, so that no output holds up another. It
// reports whether everything is safe.
func (p *Pipeline) queue(w work) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	failed := p.opts.Bus.PublishNotifications(ctx, append(w.direct, w.kept...))
	for output, err := range failed {
		p.log.Warn("notifications wait in the outbox", "output", output, "error", err)
		signal(p.outbox)
	}
	var queued []string
	for _, q := range w.kept {
		if failed[q.Output] == nil {
			queued = append(queued, q.ID)
		}
		p.metrics.queued.WithLabelValues(q.Output).Inc()
	}
	for _, q := range w.direct {
		p.metrics.queued.WithLabelValues(q.Output).Inc()
	}
	if len(failed) == 0 && len(queued) == 0 {
		return true
	}
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		for i, q := range w.direct {
			if failed[q.Output] != nil {
				if err := tx.Outbox(ctx, &w.notes[i], q.Body); err != nil {
					return err
				}
			}
		}
		return tx.Queued(ctx, queued)
	})
	if err != nil {
		p.log.Error("the outbox can't be written", "error", err)
	}
	return err == nil
}

// signal wakes a loop up, unless that has been done.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
