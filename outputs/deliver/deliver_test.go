package deliver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
)

// queue is a work queue in memory that behaves as JetStream's: delayed redelivery, an ack timer, one settlement each.
type queue struct {
	t       *testing.T
	mu      sync.Mutex
	ready   []*item
	wake    chan struct{}
	acked   []string
	dead    map[string]string
	pulls   int
	expired int
}

// ackWait is the ack timer of the bus.
const ackWait = 15 * time.Second

type item struct {
	q        *queue
	n        finding.Notification
	attempt  int
	settled  bool
	deadline *time.Timer
}

func newQueue(t *testing.T, n int) *queue {
	q := &queue{t: t, wake: make(chan struct{}, 1), dead: map[string]string{}}
	for i := range n {
		q.push(finding.Notification{
			ID: fmt.Sprintf("n-%d", i), Kind: finding.KindAlert, Time: time.Now(),
			Alert: &finding.Alert{ID: fmt.Sprintf("a-%d", i)},
		}, 0)
	}
	return q
}

func (q *queue) push(n finding.Notification, attempt int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready = append(q.ready, &item{q: q, n: n, attempt: attempt})
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) next(ctx context.Context) (Delivery, error) {
	for {
		q.mu.Lock()
		if len(q.ready) > 0 {
			it := q.ready[0]
			q.ready = q.ready[1:]
			q.pulls++
			it.deadline = time.AfterFunc(ackWait, func() {
				if !it.settle() {
					return
				}
				q.mu.Lock()
				q.expired++
				q.mu.Unlock()
				q.push(it.n, it.attempt+1)
			})
			q.mu.Unlock()
			return it, nil
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *queue) counts() (acked, dead, pulls int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.acked), len(q.dead), q.pulls
}

func (i *item) settle() bool {
	i.q.mu.Lock()
	defer i.q.mu.Unlock()
	if i.settled {
		return false
	}
	i.settled = true
	return true
}

func (i *item) once() {
	if !i.settle() {
		i.q.t.Errorf("%s settled twice", i.n.ID)
	}
	i.deadline.Stop()
}

func (i *item) Notification() *finding.Notification { return &i.n }
func (i *item) Attempt() int                        { return i.attempt }
func (i *item) Extend() error                       { i.deadline.Reset(ackWait); return nil }

func (i *item) Ack() error {
	i.once()
	i.q.mu.Lock()
	i.q.acked = append(i.q.acked, i.n.ID)
	i.q.mu.Unlock()
	return nil
}

func (i *item) Retry(d time.Duration, _ error) error {
	i.once()
	time.AfterFunc(d, func() { i.q.push(i.n, i.attempt+1) })
	return nil
}

func (i *item) GiveBack(d time.Duration) error {
	i.once()
	time.AfterFunc(d, func() { i.q.push(i.n, i.attempt) })
	return nil
}

func (i *item) Dead(cause error) error {
	i.once()
	i.q.mu.Lock()
	i.q.dead[i.n.ID] = cause.Error()
	i.q.mu.Unlock()
	return nil
}

// sendFunc is an output made of a function.
type sendFunc func(ctx context.Context, batch []finding.Notification) error

func (f sendFunc) Send(ctx context.Context, batch []finding.Notification) error { return f(ctx, batch) }
func (f sendFunc) Close() error                                                 { return nil }

// run drives a worker in virtual time until until, then ends it.
func run(t *testing.T, n int, o Options, f sendFunc, check func(q *queue, w *Worker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, n)
		o.Name, o.Next = "out", q.next
		m, err := NewMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		o.Metrics = m
		w, err := New(f, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		check(q, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := w.Status(); s.InFlight != 0 {
			t.Errorf("%d deliveries were not settled", s.InFlight)
		}
		time.Sleep(time.Hour) // lets the queue's timers end
	})
}

func TestAllArrive(t *testing.T) {
	var most, now atomic.Int64
	run(t, 100, Options{Concurrency: 7}, func(ctx context.Context, b []finding.Notification) error {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(10 * time.Millisecond)
		now.Add(-1)
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Second)
		if acked, dead, _ := q.counts(); acked != 100 || dead != 0 {
			t.Error(acked, dead)
		}
		if most.Load() != 7 {
			t.Errorf("%d at a time", most.Load())
		}
		if s := w.Status(); s.Sent != 100 || s.State != "ok" {
			t.Errorf("%+v", s)
		}
	})
}

func TestOutageWaitsInTheQueue(t *testing.T) {
	up := sync.OnceValue(func() time.Time { return time.Now().Add(time.Hour) }) // an hour from the first delivery
	var tries atomic.Int64
	run(t, 1000, Options{}, func(ctx context.Context, b []finding.Notification) error {
		if time.Now().Before(up()) {
			tries.Add(1)
			return errors.New("connection refused")
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(59 * time.Minute)
		if s := w.Status(); s.State == "ok" || s.LastError != "connection refused" {
			t.Errorf("%+v", s)
		}
		if n := tries.Load(); n > 200 {
			t.Errorf("%d tries during the outage: the breaker does not hold", n)
		}
		if _, _, pulls := q.counts(); pulls > 250 {
			t.Errorf("%d pulls during the outage", pulls)
		}
		time.Sleep(2 * time.Minute)
		if acked, dead, _ := q.counts(); acked != 1000 || dead != 0 {
			t.Errorf("acked %d, dead %d a minute after the outage", acked, dead)
		}
	})
}

func TestPermanentIsDead(t *testing.T) {
	run(t, 10, Options{}, func(ctx context.Context, b []finding.Notification) error {
		if b[0].ID == "n-3" {
			return outputs.Permanent(errors.New("bad payload"))
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Second)
		if acked, _, _ := q.counts(); acked != 9 || q.dead["n-3"] != "bad payload" {
			t.Error(acked, q.dead)
		}
	})
}

func TestOneBadInABatch(t *testing.T) {
	run(t, 64, Options{Batch: 64, BatchWait: time.Second, Concurrency: 1}, func(ctx context.Context, b []finding.Notification) error {
		for _, n := range b {
			if n.ID == "n-13" {
				return outputs.Permanent(errors.New("bad payload"))
			}
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(5 * time.Second)
		if acked, dead, _ := q.counts(); acked != 63 || dead != 1 || q.dead["n-13"] == "" {
			t.Error(acked, q.dead)
		}
	})
}

func TestPartial(t *testing.T) {
	run(t, 8, Options{Batch: 8, BatchWait: time.Second}, func(ctx context.Context, b []finding.Notification) error {
		p := outputs.Partial{}
		for i, n := range b {
			if n.Attempt == 0 && i%2 == 1 {
				p[i] = errors.New("busy")
			}
		}
		if len(p) > 0 {
			return p
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Minute)
		if acked, dead, pulls := q.counts(); acked != 8 || dead != 0 || pulls != 12 {
			t.Error(acked, dead, pulls)
		}
	})
}

func TestRetryAfterStopsTheOutput(t *testing.T) {
	start := sync.OnceValue(time.Now)
	var early atomic.Int64
	run(t, 50, Options{Concurrency: 1}, func(ctx context.Context, b []finding.Notification) error {
		switch since := time.Since(start()); {
		case since < time.Second:
			return outputs.RetryAfter(90*time.Second, errors.New("slow down"))
		case since < 89*time.Second:
			early.Add(1)
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(5 * time.Minute)
		if acked, _, _ := q.counts(); acked != 50 || early.Load() != 0 {
			t.Errorf("acked %d, %d during the pause", acked, early.Load())
		}
	})
}

func TestGiveUpByAge(t *testing.T) {
	run(t, 1, Options{GiveUp: time.Hour}, func(ctx context.Context, b []finding.Notification) error {
		return errors.New("still down")
	}, func(q *queue, w *Worker) {
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if r := q.dead["n-0"]; !strings.HasPrefix(r, "given up after 1h") || !strings.HasSuffix(r, "still down") {
			t.Errorf("%q", r)
		}
	})
}

// A queue that became old while the destination was down is given up at once, not one by one; what is younger stays.
func TestGiveUpOfALongQueue(t *testing.T) {
	run(t, 200, Options{GiveUp: time.Hour}, func(context.Context, []finding.Notification) error { return errors.New("still down") }, func(q *queue, w *Worker) {
		time.Sleep(50 * time.Minute)
		for i := range 3 {
			q.push(finding.Notification{ID: fmt.Sprint("young-", i), Time: time.Now(), Alert: &finding.Alert{}}, 0)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if acked, dead, _ := q.counts(); acked != 0 || dead != 200 {
			t.Errorf("%d acked, %d dead", acked, dead)
		}
		for id, reason := range q.dead {
			if strings.HasPrefix(id, "young") || !strings.HasSuffix(reason, "still down") {
				t.Errorf("%s: %s", id, reason)
			}
		}
	})
}

func TestSlowDestinationKeepsItsDeliveries(t *testing.T) {
	run(t, 20, Options{Concurrency: 2, Timeout: 2 * time.Minute}, func(ctx context.Context, b []finding.Notification) error {
		time.Sleep(100 * time.Second)
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Hour)
		if acked, _, pulls := q.counts(); acked != 20 || pulls != 20 || q.expired != 0 {
			t.Error(acked, pulls, q.expired)
		}
	})
}

func TestHangingDestinationTimesOut(t *testing.T) {
	var over atomic.Bool
	run(t, 3, Options{Timeout: 10 * time.Second}, func(ctx context.Context, b []finding.Notification) error {
		if !over.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Minute)
		over.Store(true)
		time.Sleep(3 * time.Minute)
		if acked, _, _ := q.counts(); acked != 3 {
			t.Error(acked)
		}
	})
}

func TestEndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 100)
		block := make(chan struct{})
		w, err := New(sendFunc(func(ctx context.Context, b []finding.Notification) error {
			select {
			case <-block:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}), Options{Name: "o", Next: q.next, Batch: 10, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(time.Second)
		start := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > grace+time.Second {
			t.Errorf("the end took %s", d)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(q.ready) != 100 || q.expired != 0 {
			t.Errorf("%d of 100 are back in the queue, %d by time-out", len(q.ready), q.expired)
		}
	})
}

func TestRateThatWaits(t *testing.T) {
	var sent atomic.Int64
	run(t, 40, Options{Rate: Rate{Limit: 10, Per: time.Minute}}, func(ctx context.Context, b []finding.Notification) error {
		sent.Add(1)
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Minute)
		if n := sent.Load(); n < 19 || n > 21 {
			t.Errorf("%d in the first minute", n)
		}
		time.Sleep(3 * time.Minute)
		if acked, _, pulls := q.counts(); acked != 40 || pulls != 40 {
			t.Error(acked, pulls)
		}
	})
}

func TestPanicIsADeadLetter(t *testing.T) {
	run(t, 2, Options{}, func(ctx context.Context, b []finding.Notification) error {
		if b[0].ID == "n-0" {
			panic("secret")
		}
		return nil
	}, func(q *queue, w *Worker) {
		time.Sleep(time.Second)
		if acked, dead, _ := q.counts(); acked != 1 || dead != 1 || strings.Contains(q.dead["n-0"], "secret") {
			t.Error(acked, q.dead)
		}
	})
}

func BenchmarkWorker(b *testing.B) {
	n := &finding.Notification{ID: "n", Kind: finding.KindAlert}
	left := int64(b.N)
	ctx, cancel := context.WithCancel(b.Context())
	w, err := New(sendFunc(func(context.Context, []finding.Notification) error { return nil }), Options{
		Name: "o",
		Next: func(ctx context.Context) (Delivery, error) {
			if left--; left < 0 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &instant{n: n, left: &left, acks: cancel, last: left == 0}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	if err := w.Run(ctx); err != nil {
		b.Fatal(err)
	}
}

type instant struct {
	n    *finding.Notification
	left *int64
	acks func()
	last bool
}

func (i *instant) Notification() *finding.Notification { return i.n }
func (i *instant) Attempt() int                        { return 0 }
func (i *instant) Retry(time.Duration, error) error    { return nil }
func (i *instant) GiveBack(time.Duration) error        { return nil }
func (i *instant) Dead(error) error                    { return nil }
func (i *instant) Extend() error                       { return nil }
func (i *instant) Ack() error {
	if i.last {
		i.acks()
	}
	return nil
}
