package pipeline

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

// watchStore looks at once when people change something: close an alert, take back a dead letter.
func (p *Pipeline) watchStore(ctx context.Context) error {
	changed, stop := p.opts.Store.Watch()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			signal(p.due)
			signal(p.outbox)
		}
	}
}

// watchDue tells of what is due.
func (p *Pipeline) watchDue(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.due:
		case <-timer.C:
		}
		wait := maxWait
		next, err := p.opts.Store.NextDue(ctx)
		switch {
		case err != nil:
			p.log.Error("can't read what is due", "error", err)
		case next.IsZero():
		case next.After(time.Now()):
			wait = min(wait, time.Until(next))
		default:
			if err := p.flush(); err != nil {
				p.metrics.failures.Inc()
				p.log.Error("can't tell of what is due: trying again", "error", err)
			} else {
				wait = 0
			}
		}
		timer.Reset(wait)
	}
}

const dueBatch = 500

func (p *Pipeline) flush() error {
	ctx := context.Background()
	table := p.table.Load()
	var w work
	var st *router.State
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		w = work{}
		now := time.Now()
		silences, err := tx.Silences(ctx, now)
		if err != nil {
			return err
		}
		st = router.NewState(now, silences)
		some, err := tx.LoadDue(ctx, table, st, dueBatch)
		if err != nil || !some {
			return err
		}
		table.Flush(st)
		return p.save(ctx, tx, st, &w, nil)
	})
	if err != nil {
		return err
	}
	p.metrics.suppressedBy(st.Counts)
	if len(w.kept) > 0 {
		p.queue(w)
	}
	return nil
}

// watchOutbox queues what could not be queued when it was saved: after a crash, while a queue was full, and what was
// taken back from the dead letters.
func (p *Pipeline) watchOutbox(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.outbox:
		case <-timer.C:
		}
		again := outboxEvery
		list, err := p.opts.Store.Unqueued(ctx, time.Now(), batchSize)
		if err != nil {
			p.log.Error("can't read the outbox", "error", err)
		} else if len(list) > 0 && p.requeue(ctx, list) && len(list) == batchSize {
			again = 0
		}
		timer.Reset(again)
	}
}

// requeue reports whether all went well.
func (p *Pipeline) requeue(ctx context.Context, list []store.Delivery) bool {
	known := map[string]bool{}
	for _, o := range p.table.Load().Outputs() {
		known[o] = true
	}
	var qs []bus.QueuedNotification
	for _, d := range list {
		if known[d.Output] {
			qs = append(qs, bus.QueuedNotification{ID: d.ID, Output: d.Output, Body: d.Body, Retry: d.Retries})
		}
	}
	failed := p.opts.Bus.PublishNotifications(ctx, qs)
	var done []string
	late := map[string][]string{}
	for _, d := range list {
		switch {
		case !known[d.Output]:
			late["the output is not configured"] = append(late["the output is not configured"], d.ID)
		case failed[d.Output] != nil:
			late[failed[d.Output].Error()] = append(late[failed[d.Output].Error()], d.ID)
		default:
			done = append(done, d.ID)
		}
	}
	err := p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		for cause, ids := range late {
			if err := tx.Postpone(ctx, ids, time.Now().Add(30*time.Second), cause); err != nil {
				return err
			}
		}
		return tx.Queued(ctx, done)
	})
	if err != nil {
		p.log.Error("can't write the outbox", "error", err)
	}
	return err == nil && len(late) == 0
}

// watchDead copies dead letters into the store, where people find and retry them.
func (p *Pipeline) watchDead(ctx context.Context, from *bus.DeadLetters) error {
	for {
		l, err := from.Next(ctx)
		if err != nil {
			return err
		}
		d := store.Delivery{Output: l.Output, Attempts: l.Attempts, Error: l.Error, Created: l.Time, Updated: l.Time, Body: l.Body}
		var n finding.Notification
		if err := json.Unmarshal(l.Body, &n); err != nil || n.ID == "" {
			p.log.Error("a dead letter is not a notification: it stays in the stream DEAD alone", "output", l.Output, "error", l.Error)
			l.Ack()
			continue
		}
		d.ID, d.Route, d.Kind, d.Created, d.Alert = n.ID, n.Route, n.Kind, n.Time, store.AlertOf(&n)
		if l.Output != n.Output {
			d.Output = n.Output
		}
		p.metrics.deliveries.WithLabelValues(d.Output, "dead").Inc()
		p.log.Error("a notification was given up: see the dead letters", "output", d.Output, "notification", d.ID, "attempts", d.Attempts, "error", d.Error)
		for {
			if err = p.opts.Store.Bury(ctx, d); err == nil {
				l.Ack()
				break
			}
			p.log.Error("can't save a dead letter: trying again", "error", err)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	}
}

// keep deletes what is older than it is to be retained.
func (p *Pipeline) keep(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		n, err := p.opts.Store.Expire(ctx, time.Now().Add(-p.opts.Retain), 1000)
		if err != nil {
			p.log.Error("can't delete what is old", "error", err)
		}
		if n > 0 {
			p.metrics.expired.Add(float64(n))
		}
	}
}
