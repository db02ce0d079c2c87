// Package deliver carries notifications from the queue of one output to its destination, until each was taken or lies
// in the dead letters. There is one Worker an output, so that no output delays another.
//
// A Worker pulls only what it can handle soon, sends with bounded parallelism, and settles every delivery exactly once:
// acknowledged, given back to the queue with a delay, or dead. Long outages wait in the queue, not in memory: after a
// few failures in a row the worker stops pulling and tries with single messages until one passes (a circuit breaker).
package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
)

// Delivery is a notification on its way, out of a queue that keeps it until it is settled by one of Ack, Retry, GiveBack and
// Dead. What is neither settled nor extended comes again. package bus has one.
type Delivery interface {
	Notification() *finding.Notification
	Attempt() int                                 // tries before this one
	Ack() error                                   // the destination has taken it
	Retry(delay time.Duration, cause error) error // again, after a delay
	GiveBack(delay time.Duration) error           // again, after a delay; it was not tried
	Dead(cause error) error                       // to the dead letters
	Extend() error                                // still being worked on
}

// Options configure a worker. Name, Next are required; the zero value of the others works.
type Options struct {
	Name string
	// Next gives the next delivery, and blocks until there is one or ctx is done. What is there it gives even then.
	Next func(ctx context.Context) (Delivery, error)

	Batch       int           // most notifications in a Send; default 1
	BatchWait   time.Duration // longest wait for a batch to fill; with 0 it takes what is there
	Concurrency int           // Sends at a time; default 4
	Timeout     time.Duration // of a Send; default 15 s
	Backoff     []time.Duration
	GiveUp      time.Duration // age of a notification; default 24 h
	Rate        Rate
	Log         *slog.Logger
	Metrics     *Metrics
}

// Rate bounds the Sends to a destination. What exceeds it waits in the queue.
type Rate struct {
	Limit int // 0 for none
	Per   time.Duration
}

const (
	extendEvery = 1500 * time.Millisecond // the queue gives a delivery up after 5 s, so that those of a dead router come back soon
	grace       = 5 * time.Second         // for Sends under way when the program ends
	maxOutage   = 30 * time.Second        // longest pause between tries of a destination that is down
)

// Worker delivers for one output.
type Worker struct {
	out     outputs.Output
	o       Options
	gate    gate
	limiter *rate.Limiter
	turn    chan struct{} // held by who reads the queue

	mu   sync.Mutex
	held map[Delivery]struct{}
	stat Status
}

// Status is what a worker does at the moment.
type Status struct {
	Output    string    `json:"output"`
	State     string    `json:"state"` // "ok", "down" (the destination fails; waiting), "trying"
	Until     time.Time `json:"until,omitzero"`
	InFlight  int       `json:"inFlight"`
	Sent      uint64    `json:"sent"`   // notifications that were taken
	Failed    uint64    `json:"failed"` // tries that failed
	Dead      uint64    `json:"dead"`   // notifications given up
	LastSent  time.Time `json:"lastSent,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	ErrorTime time.Time `json:"errorTime,omitzero"`
}

// New makes a worker for an opened output.
func New(out outputs.Output, o Options) (*Worker, error) {
	if out == nil || o.Next == nil || o.Name == "" {
		return nil, errors.New("deliver: an output, Name and Next are required")
	}
	o.Batch = max(o.Batch, 1)
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if len(o.Backoff) == 0 {
		o.Backoff = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	}
	if o.GiveUp <= 0 {
		o.GiveUp = 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("output", o.Name)
	w := &Worker{out: out, o: o, turn: make(chan struct{}, 1), held: map[Delivery]struct{}{}}
	w.gate.init()
	if r := o.Rate; r.Limit > 0 && r.Per > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(float64(r.Limit)/r.Per.Seconds()), r.Limit)
	}
	w.stat.Output = o.Name
	o.Metrics.start(o.Name)
	return w, nil
}

// Status may be called at any time.
func (w *Worker) Status() Status {
	state, until := w.gate.state()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stat
	s.State, s.Until, s.InFlight = state, until, len(w.held)
	return s
}

// Run delivers until ctx is done, then gives back to the queue what it holds. It returns nil, or the error with which
// the queue ended. It is called once.
func (w *Worker) Run(ctx context.Context) error {
	// Sends under way may finish after ctx is done, for a while.
	sendCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, stop)
		context.AfterFunc(sendCtx, func() { t.Stop() })
	})

	var ended error
	var once sync.Once
	var workers, extender sync.WaitGroup
	for range w.o.Concurrency {
		workers.Go(func() {
			for {
				batch, err := w.next(ctx)
				if err != nil {
					once.Do(func() { ended = err })
					return
				}
				w.handle(ctx, sendCtx, batch)
			}
		})
	}
	extendCtx, stopExtend := context.WithCancel(context.WithoutCancel(ctx))
	extender.Go(func() { w.extend(extendCtx) })
	workers.Wait()
	stopExtend()
	extender.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return ended
}

// next takes out of the queue what goes into one Send. The senders take turns: who has a batch leaves the queue to another. So a
// delivery is not handed from one goroutine to the next on its way.
func (w *Worker) next(ctx context.Context) ([]Delivery, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := w.gate.admit(ctx); err != nil {
		return nil, err
	}
	first, err := w.take(ctx)
	if err != nil {
		return nil, err
	}
	if w.limiter != nil {
		if err := w.limiter.Wait(ctx); err != nil {
			w.giveBack(first)
			return nil, err
		}
	}
	return w.fill(ctx, []Delivery{first}), nil
}

func (w *Worker) take(ctx context.Context) (Delivery, error) {
	d, err := w.o.Next(ctx)
	if err == nil {
		w.mu.Lock()
		w.held[d] = struct{}{}
		w.mu.Unlock()
	}
	return d, err
}

// fill adds to a batch what is there, or what comes within BatchWait.
func (w *Worker) fill(ctx context.Context, batch []Delivery) []Delivery {
	if w.o.Batch == 1 {
		return batch
	}
	ctx, cancel := context.WithTimeout(ctx, w.o.BatchWait)
	defer cancel()
	for len(batch) < w.o.Batch && !w.gate.trying() {
		d, err := w.take(ctx)
		if err != nil {
			break // it is asked again, and says so again
		}
		batch = append(batch, d)
	}
	return batch
}

func (w *Worker) handle(ctx, sendCtx context.Context, batch []Delivery) {
	switch {
	case ctx.Err() != nil:
		w.giveBack(batch...)
	case w.gate.closed():
		w.postpone(batch)
	default:
		w.send(ctx, sendCtx, batch)
	}
}

// send tries a batch once and settles it.
func (w *Worker) send(ctx, sendCtx context.Context, batch []Delivery) {
	ns := make([]finding.Notification, len(batch))
	for i, d := range batch {
		ns[i] = *d.Notification()
		ns[i].Attempt = d.Attempt()
	}
	start := time.Now()
	tryCtx, cancel := context.WithTimeout(sendCtx, w.o.Timeout)
	err := w.try(tryCtx, ns)
	cancel()
	if ctx.Err() != nil && err != nil && sendCtx.Err() != nil { // cut off by the end of the program
		w.giveBack(batch...)
		return
	}
	w.o.Metrics.took(w.o.Name, time.Since(start), err)

	var partial outputs.Partial
	var pause *outputs.RetryAfterError
	switch {
	case err == nil:
		w.answers()
		w.sent(batch)
	case errors.As(err, &partial):
		w.answers()
		for i, d := range batch {
			if e := partial[i]; e == nil {
				w.sent(batch[i : i+1])
			} else {
				w.failed(e)
				w.settle(d, e)
			}
		}
	case outputs.IsPermanent(err) && len(batch) > 1:
		// One bad notification must not take the others along: halve until it is alone.
		w.answers()
		w.send(ctx, sendCtx, batch[:len(batch)/2])
		w.send(ctx, sendCtx, batch[len(batch)/2:])
	default:
		switch {
		case outputs.IsPermanent(err):
			w.answers()
		case errors.As(err, &pause):
			w.fails(pause.After, err)
		default:
			w.fails(0, err)
		}
		w.failed(err)
		aged := false
		for _, d := range batch {
			aged = aged || w.age(d) > w.o.GiveUp
			w.settle(d, err)
		}
		if aged && w.gate.closed() {
			w.giveUpAged(ctx, err)
		}
	}
}

// giveUpAged gives up what waits and is as old as what was just given up: while the destination is down there is one try in
// a while, so that a long queue would otherwise never come to its end. It stops at the first that is younger.
func (w *Worker) giveUpAged(ctx context.Context, cause error) {
	for {
		takeCtx, cancel := context.WithTimeout(ctx, time.Second)
		d, err := w.take(takeCtx)
		cancel()
		if err != nil {
			return
		}
		if !w.gate.closed() || w.age(d) <= w.o.GiveUp {
			w.postpone([]Delivery{d})
			return
		}
		w.settle(d, cause)
	}
}

func (w *Worker) age(d Delivery) time.Duration { return time.Since(d.Notification().Time) }

// answers notes that the destination does its work.
func (w *Worker) answers() {
	if w.gate.succeed() {
		w.o.Metrics.isDown(w.o.Name, false)
		w.o.Log.Info("the destination takes notifications again")
	}
}

// fails notes that it does not. after is the pause that it asked for, or 0.
func (w *Worker) fails(after time.Duration, err error) {
	if w.gate.fail(after) {
		w.o.Metrics.isDown(w.o.Name, true)
		w.o.Log.Warn("the destination is down: notifications wait in its queue, and one is tried now and then", "error", err)
	}
}

// try keeps a panic of an output from ending the router.
func (w *Worker) try(ctx context.Context, ns []finding.Notification) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.o.Log.Error("output panicked", "panic", fmt.Sprintf("%T", p), "id", ns[0].ID)
			err = outputs.Permanent(fmt.Errorf("the output failed on this message (%T)", p))
		}
	}()
	return w.out.Send(ctx, ns)
}

func (w *Worker) sent(batch []Delivery) {
	for _, d := range batch {
		w.done(d, d.Ack())
	}
	w.mu.Lock()
	w.stat.Sent += uint64(len(batch))
	w.stat.LastSent = time.Now()
	w.mu.Unlock()
	w.o.Metrics.add(w.o.Name, "sent", len(batch))
}

func (w *Worker) failed(err error) {
	w.mu.Lock()
	w.stat.Failed++
	w.stat.LastError, w.stat.ErrorTime = err.Error(), time.Now()
	w.mu.Unlock()
	w.o.Metrics.add(w.o.Name, "failed", 1)
}

// settle decides about a delivery that was not taken.
func (w *Worker) settle(d Delivery, err error) {
	n := d.Notification()
	var reason error
	switch age := w.age(d); {
	case outputs.IsPermanent(err):
		reason = err
	case age > w.o.GiveUp:
		reason = fmt.Errorf("given up after %s: %w", age.Round(time.Second), err)
	}
	if reason != nil {
		w.o.Log.Error("notification goes to the dead letters", "id", n.ID, "error", reason)
		deadErr := d.Dead(reason)
		if deadErr == nil {
			w.mu.Lock()
			w.stat.Dead++
			w.mu.Unlock()
			w.o.Metrics.add(w.o.Name, "dead", 1)
			w.done(d, nil)
			return
		}
		w.o.Log.Error("dead letters cannot be written, keeping the notification", "id", n.ID, "error", deadErr)
	}
	delay := w.o.Backoff[min(d.Attempt(), len(w.o.Backoff)-1)]
	var pause *outputs.RetryAfterError
	if errors.As(err, &pause) {
		delay = max(delay, pause.After)
	} else if w.gate.closed() {
		// The breaker sets the pace while the destination is down; a message that was tried often need not wait longer.
		delay = min(delay, maxOutage)
	}
	w.o.Log.Warn("notification was not taken", "id", n.ID, "attempt", d.Attempt(), "again_in", delay.Round(time.Millisecond), "error", err)
	w.o.Metrics.add(w.o.Name, "retried", 1)
	w.done(d, d.Retry(jitter(delay), err))
}

// postpone gives deliveries back untried because the destination is down.
func (w *Worker) postpone(batch []Delivery) {
	_, until := w.gate.state()
	for _, d := range batch {
		w.done(d, d.GiveBack(jitter(max(time.Until(until), time.Second))))
	}
}

// giveBack returns deliveries at once because the worker ends.
func (w *Worker) giveBack(batch ...Delivery) {
	for _, d := range batch {
		w.done(d, d.GiveBack(0))
	}
}

func (w *Worker) done(d Delivery, err error) {
	if err != nil {
		// The queue has not understood and will deliver again, with the same id.
		w.o.Log.Warn("queue did not take the result", "id", d.Notification().ID, "error", err)
	}
	w.mu.Lock()
	delete(w.held, d)
	w.mu.Unlock()
}

// extend keeps the queue from giving to others what is still worked on.
func (w *Worker) extend(ctx context.Context) {
	t := time.NewTicker(extendEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		w.mu.Lock()
		held := make([]Delivery, 0, len(w.held))
		for d := range w.held {
			held = append(held, d)
		}
		w.mu.Unlock()
		for _, d := range held {
			if err := d.Extend(); err != nil {
				w.o.Log.Debug("cannot extend a delivery", "error", err)
			}
		}
	}
}

// jitter spreads a delay by a fifth to both sides, so that what failed together does not come back together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
