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

// watchAsked looks at once when people change something: close an alert, take back a dead letter.
func (p *Pipeline) watchAsked(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.opts.Store.Asked():
			signal(p.asked)
			signal(p.outbox)
		}
	}
}

// watchDue tells of what is due. When the next thing is due it knows from the work of this process, and now and then
// from the store, where other routers and people write, too.
func (p *Pipeline) watchDue(ctx context.Context) error {
	timer, look := time.NewTimer(0), time.NewTicker(maxWait)
	defer timer.Stop()
	defer look.Stop()
	var next, told time.Time
	failed := func(msg string, err error) {
		if time.Since(told) >= tellAgain { // it is tried several times a second while the store is away
			told = time.Now()
			p.log.Error(msg, "error", err)
		}
	}
	for {
		read := true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t := <-p.due:
			if read = false; next.IsZero() || t.Before(next) {
				next = t
			}
		case <-p.asked:
		case <-look.C:
		case <-timer.C:
			read = false
		}
		if !next.IsZero() && !next.After(time.Now()) {
			some, err := p.flush()
			if err != nil {
				p.metrics.failures.Inc()
				failed("can't tell of what is due: trying again", err)
			}
			if !some { // or another router is at it
				timer.Reset(maxWait / 5)
				continue
			}
			read = true
		}
		if read {
			var err error
			if next, err = p.opts.Store.NextDue(ctx); err != nil && ctx.Err() == nil {
				failed("can't read what is due: trying again", err)
			}
		}
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

const (
	dueBatch  = 500
	tellAgain = 10 * time.Second // between two words in the log on the same trouble
)

// flush reports whether there was anything to do.
func (p *Pipeline) flush() (some bool, err error) {
	ctx := context.Background()
	table := p.table.Load()
	var w work
	var st *router.State
	err = p.opts.Store.Work(ctx, func(tx *store.Tx) error {
		w = work{}
		now := time.Now()
		silences, err := tx.Silences(ctx, now)
		if err != nil {
			return err
		}
		st = router.NewState(now, silences)
		some, err = tx.LoadDue(ctx, table, st, dueBatch)
		if err != nil || !some {
			return err
		}
		table.Flush(st)
		return p.save(ctx, tx, st, &w, nil)
	})
	if err != nil {
		return false, err
	}
	p.metrics.suppressedBy(st.Counts)
	if len(w.kept) > 0 {
		p.queue(w)
	}
	return some, nil
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
	at := time.Now()
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
		return tx.Queued(ctx, done, at)
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
			_ = l.Ack()
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
				_ = l.Ack()
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
