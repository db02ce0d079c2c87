// Package pipeline is the router's shell: it moves findings from the bus through the pure core into the store, and
// notifications from there into the queues of outputs.
//
//	FINDINGS ─▶ one transaction: findings, alerts, threads, outbox ─▶ DELIVER_<output> ─▶ acknowledge the findings
//	    └─ each finding, where a route passes it on whatever happens ─▶ the output, or else DELIVER_<output> ─┘
//
// Nothing is acknowledged before it is stored, and taken or queued, and everything has an id that a repeat does not change: whenever the
// process dies, the work is done again to the same effect. Several pipelines on one NATS and one PostgreSQL share the
// work.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
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
	lanes   sync.Map       // by output: *lane
	hands   hands
	ready   atomic.Bool
	reading atomic.Pointer[bus.Findings]
	ended   chan struct{} // closed when nobody records results any more
}

const (
	batchSize = 1000 // results, or notifications of the outbox, in one transaction
	readSize  = 200  // findings read at a time
	// storeMost is how many findings go into one transaction, where so many wait. They are so many that a disk which takes tenths of a second
	// for an fsync now and then does not hold up the outputs: what is not stored keeps its place in NATS and in memory.
	storeMost = 3000
	// storeWithin is how long a finding of which nobody is to be told, or has been, may wait for others to be stored with.
	storeWithin = 100 * time.Millisecond
	// storeSoon is how long any other waits: what a sensor sends together does not arrive in the same instant.
	storeSoon = 500 * time.Microsecond
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
	if err := p.opts.Store.Work(ctx, func(t *store.Tx) error { return t.WakeHeld(ctx, time.Now()) }); err != nil {
		p.log.Error("what the old times held back goes when they said", "error", err) // the table is in force all the same
	}
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
	p.reading.Store(findings)
	letters, err := p.opts.Bus.DeadLetters(ctx)
	if err != nil {
		return err
	}
	defer letters.Close()
	p.ready.Store(true)
	defer p.ready.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	handed, stored := make(chan *batch, 16), make(chan work, 2)
	g.Go(func() error { defer close(handed); return p.consume(ctx, findings, handed) })
	g.Go(func() error { defer close(stored); return p.keepBatches(ctx, handed, stored) })
	g.Go(func() error { p.forward(stored); return nil })
	g.Go(func() error { return p.hands.extend(ctx) })
	g.Go(func() error { return p.watchAsked(ctx) })
	g.Go(func() error { return p.watchDue(ctx) })
	g.Go(func() error { return p.watchOutbox(ctx) })
	g.Go(func() error { return p.watchDead(ctx, letters) })
	g.Go(func() error { defer close(p.ended); return p.record(ctx) })
	g.Go(func() error { return p.keep(ctx) })
	return g.Wait()
}

// batch is some findings on their way into the store.
type batch struct {
	table  *router.Table
	read   time.Time
	msgs   []held
	direct []bus.QueuedNotification // what Table.Direct says
	notes  []finding.Notification   // of direct
	of     []*held                  // of direct: the finding; nil: it came before, so that the queue knows whether it is a repeat
	failed map[string]error         // outputs whose queues have not taken direct
	hurry  bool                     // somebody is to be told of what the store makes of them
}

// consume reads findings and passes on what can be sent of them at once: to the outputs themselves, or into their queues. What a queue
// does not take goes into the outbox, in the transaction that stores the findings.
func (p *Pipeline) consume(ctx context.Context, from *bus.Findings, to chan<- *batch) error {
	for {
		msgs, err := from.Next(ctx, readSize)
		if err != nil {
			return err
		}
		now := time.Now()
		b := &batch{
			table: p.table.Load(), read: now, msgs: make([]held, len(msgs)), direct: make([]bus.QueuedNotification, 0, len(msgs)),
			notes: make([]finding.Notification, 0, len(msgs)), of: make([]*held, 0, len(msgs)),
		}
		for i := range msgs {
			m := &b.msgs[i]
			m.FindingMessage = msgs[i]
			m.left.Store(1) // the store
			list, all := b.table.Direct(now, &m.Finding)
			b.hurry = b.hurry || !all
			if len(list) == 0 {
				continue
			}
			of := m
			if m.Repeated() {
				of = nil
			}
			for _, n := range list {
				body, err := finding.MarshalSingle(&n, m.Body())
				if err != nil {
					return fmt.Errorf("encode notification: %w", err)
				}
				n.Body = body
				b.direct = append(b.direct, bus.QueuedNotification{ID: n.ID, Output: n.Output, Body: body})
				b.notes, b.of = append(b.notes, n), append(b.of, of)
			}
		}
		p.hands.add(b)
		p.handOver(b)
		b.failed = p.publish(b.direct)
		to <- b
	}
}

// keepBatches stores findings. What nobody waits for gathers for a while: a transaction costs the same for one finding and
// for many. While one is written the next gathers by itself.
func (p *Pipeline) keepBatches(ctx context.Context, from <-chan *batch, to chan<- work) error {
	var next *batch
	for {
		list, more := gather(from, next)
		if len(list) == 0 {
			return nil
		}
		next = more
		// Findings that are read are stored, also when ctx is done: it takes milliseconds.
		w, err := p.insist(ctx, func() (work, error) { return p.storeFindings(list) })
		if err != nil {
			for range from { // the others are not acknowledged either, and come again
			}
			return err
		}
		p.metrics.findings.Add(float64(len(w.acks)))
		to <- w
	}
}

// gather returns first, or else the next batch, with those that go into the same transaction, and the one that begins the one after.
func gather(from <-chan *batch, first *batch) (list []*batch, next *batch) {
	if first == nil {
		if first = <-from; first == nil {
			return nil, nil
		}
	}
	enough := time.NewTimer(storeWithin)
	defer enough.Stop()
	size, hurry, b := 0, false, first
	for b != nil && b.table == first.table {
		list, size = append(list, b), size+len(b.msgs)
		if size >= storeMost {
			return list, nil
		}
		if b.hurry && !hurry {
			hurry = true
			enough.Reset(storeSoon)
		}
		select {
		case b = <-from:
		case <-enough.C:
			return list, nil
		}
	}
	return list, b
}

// work is what a transaction has stored: notifications to queue, and then findings to acknowledge.
type work struct {
	direct []bus.QueuedNotification // single findings: not in the outbox
	kept   []bus.QueuedNotification // in the outbox
	notes  []finding.Notification   // of direct
	acks   []*held
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

func (p *Pipeline) storeFindings(batches []*batch) (work, error) {
	var msgs []*held
	for _, b := range batches {
		for i := range b.msgs {
			msgs = append(msgs, &b.msgs[i])
		}
	}
	list := make([]*finding.Finding, len(msgs))
	bodies := make(map[string][]byte, len(msgs))
	for i := range msgs {
		list[i] = &msgs[i].Finding
		bodies[list[i].ID] = msgs[i].Body()
	}
	table := batches[0].table
	needs := table.Needs(list)
	ctx := context.Background()
	var w work
	var st *router.State
	started := time.Now()
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		w = work{acks: msgs}
		now := time.Now()
		silences, err := tx.Silences(ctx, now)
		if err != nil {
			return err
		}
		st = router.NewState(now, silences)
		st.Handed = true
		if err := tx.Load(ctx, needs, st); err != nil {
			return err
		}
		table.Apply(st, list)
		for _, b := range batches {
			if err := outbox(ctx, tx, b.direct, b.notes, b.failed); err != nil {
				return err
			}
		}
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

// outbox saves those notifications whose queue has not taken them.
func outbox(ctx context.Context, tx *store.Tx, list []bus.QueuedNotification, notes []finding.Notification, failed map[string]error) error {
	if len(failed) == 0 {
		return nil
	}
	for i, q := range list {
		if failed[q.Output] != nil {
			if err := tx.Outbox(ctx, &notes[i], q.Body); err != nil {
				return err
			}
		}
	}
	return nil
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
	return finding.MarshalSingle(n, bodies[n.Findings[0].ID])
}

// forward queues what is stored and acknowledges the findings. It ends when its channel is closed, with all done.
func (p *Pipeline) forward(from <-chan work) {
	for w := range from {
		safe := p.queue(w)
		for _, h := range w.acks {
			if safe {
				h.done()
			} else {
				h.left.Store(abandoned)
			}
		}
	}
}

// publish puts notifications into their queues, and returns the outputs whose queue has not taken them.
func (p *Pipeline) publish(list []bus.QueuedNotification) map[string]error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	failed := p.opts.Bus.PublishNotifications(ctx, list)
	for output, err := range failed {
		p.log.Warn("notifications wait in the outbox", "output", output, "error", err)
		signal(p.outbox)
	}
	for _, q := range list {
		p.metrics.queued.WithLabelValues(q.Output).Inc()
	}
	return failed
}

// queue publishes notifications. What a queue does not take waits in the outbox, so that no output holds up another. It
// reports whether everything is safe.
func (p *Pipeline) queue(w work) bool {
	at := time.Now()
	failed := p.publish(append(w.direct, w.kept...))
	var queued []string
	for _, q := range w.kept {
		if failed[q.Output] == nil {
			queued = append(queued, q.ID)
		}
	}
	if len(failed) == 0 && len(queued) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		if err := outbox(ctx, tx, w.direct, w.notes, failed); err != nil {
			return err
		}
		return tx.Queued(ctx, queued, at)
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
