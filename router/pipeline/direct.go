package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
)

// held is a finding that is acknowledged when all that was begun for it is done: it is stored, and what went to outputs
// past their queues was taken, or is queued.
type held struct {
	*bus.FindingMessage
	left atomic.Int32
}

func (h *held) done() {
	if h.left.Add(-1) == 0 {
		_ = h.Ack()
	}
}

// hands are the findings that are worked on.
type hands struct {
	mu   sync.Mutex
	list []*batch
}

func (h *hands) add(b *batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, b)
}

// extend tells the server again and again that they are not forgotten: what it gives a second time reaches an output twice.
func (h *hands) extend(ctx context.Context) error {
	tick := time.NewTicker(bus.ExtendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		h.mu.Lock()
		list := h.list
		h.list = nil
		h.mu.Unlock()
		var kept []*batch
		for _, b := range list {
			open := false
			for i := range b.msgs {
				if m := &b.msgs[i]; m.left.Load() > 0 {
					open = true
					_ = m.Extend()
				}
			}
			if open && time.Since(b.read) < maxHands {
				kept = append(kept, b)
			}
		}
		h.mu.Lock()
		h.list = append(kept, h.list...)
		h.mu.Unlock()
	}
}

// maxHands is when a finding that is still open is left to the server. Something of it was given up, and comes again so.
const maxHands = 2 * time.Minute

// direct is the notification of a single finding on its way to an output past the queue. Whatever goes wrong, it goes into
// the queue; and where not even that succeeds the finding is not acknowledged, and comes again.
type direct struct {
	p    *Pipeline
	of   *held
	lane *lane
	n    finding.Notification
	made time.Time
}

func (d *direct) Notification() *finding.Notification { return &d.n }

// Attempt implements settler: there was no try before.
func (d *direct) Attempt() int { return 0 }

// Extend implements settler: hands does it.
func (d *direct) Extend() error { return nil }

func (d *direct) Ack() error {
	d.done()
	return nil
}

func (d *direct) done() {
	d.lane.open.Add(-1)
	d.of.done()
}

func (d *direct) Retry(delay time.Duration, _ error) error {
	q := d.queued()
	q.Attempts, q.Delay = 1, delay
	return d.lane.enqueue([]*direct{d}, []bus.QueuedNotification{q})
}

func (d *direct) GiveBack(delay time.Duration) error {
	q := d.queued()
	q.Delay = delay
	return d.lane.enqueue([]*direct{d}, []bus.QueuedNotification{q})
}

func (d *direct) Dead(cause error) error {
	q := d.queued()
	q.Attempts = 1
	err := d.p.opts.Bus.Bury(q, cause)
	if err == nil {
		d.done()
	}
	return err
}

func (d *direct) queued() bus.QueuedNotification {
	return bus.QueuedNotification{ID: d.n.ID, Output: d.n.Output, Body: d.n.Body}
}

// enqueue puts them into the queue after all. Where that fails their findings are left to the server, which gives them again.
func (l *lane) enqueue(list []*direct, qs []bus.QueuedNotification) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, err := range l.p.opts.Bus.PublishNotifications(ctx, qs) { // all are of one output
		l.open.Add(-int64(len(list)))
		for _, d := range list {
			d.of.left.Store(abandoned)
		}
		return err
	}
	for _, d := range list {
		d.done()
	}
	return nil
}

// abandoned is so much that a finding is never acknowledged, and so little that nobody extends it.
const abandoned = -1 << 20

const (
	laneLength = 256
	// lanePatience is how long, for each finding of a batch, an output may hold up the others when its lane is full. Who is faster
	// than that never gets a backlog in its queue; who is slower gets one, and is not waited for again before the next look.
	lanePatience = 250 * time.Microsecond
	laneLook     = time.Second
)

// lane is the way to an output past its queue. It saves writing the notification a second time, since the finding waits on
// NATS's disk until it is done. An output that does not keep up has what stands here for long moved into the queue.
type lane struct {
	p      *Pipeline
	output string
	c      chan *direct
	open   atomic.Int64 // what was taken in here and is not settled
	behind atomic.Bool  // it is not waited for
	mu     sync.RWMutex
	closed bool
	end    chan struct{}
	ended  sync.WaitGroup
}

func (p *Pipeline) openLane(output string) *lane {
	l := &lane{p: p, output: output, c: make(chan *direct, laneLength), end: make(chan struct{})}
	p.lanes.Store(output, l)
	l.ended.Go(l.watch)
	return l
}

// handOver gives the outputs what they take of a batch, and leaves the rest in it.
func (p *Pipeline) handOver(b *batch) {
	patience := 5*time.Millisecond + time.Duration(len(b.direct))*lanePatience
	rest := 0
	for i := range b.direct {
		if b.of[i] != nil {
			if l, ok := p.lanes.Load(b.direct[i].Output); ok {
				if l.(*lane).offer(&direct{p: p, of: b.of[i], lane: l.(*lane), n: b.notes[i], made: time.Now()}, &patience) {
					p.metrics.queued.WithLabelValues(b.direct[i].Output).Inc()
					continue
				}
			}
		}
		b.direct[rest], b.notes[rest] = b.direct[i], b.notes[i]
		rest++
	}
	b.direct, b.notes = b.direct[:rest], b.notes[:rest]
}

// offer reports whether the lane takes d. It waits no longer than patience, and takes from that what it waited.
func (l *lane) offer(d *direct, patience *time.Duration) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return false
	}
	d.of.left.Add(1)
	l.open.Add(1)
	select {
	case l.c <- d:
		return true
	default:
	}
	if !l.behind.Load() && *patience > 0 {
		start := time.Now()
		enough := time.NewTimer(*patience)
		defer enough.Stop()
		select {
		case l.c <- d:
			*patience -= time.Since(start)
			return true
		case <-enough.C:
			*patience = 0
			l.behind.Store(true)
		}
	}
	l.open.Add(-1)
	d.of.left.Add(-1) // it is not stored yet: this can't be the last
	return false
}

// watch moves what has stood in the lane for long into the queue.
func (l *lane) watch() {
	tick := time.NewTicker(laneLook)
	defer tick.Stop()
	for {
		select {
		case <-l.end:
			l.spill(0)
			return
		case <-tick.C:
			l.spill(laneLook)
		}
	}
}

func (l *lane) spill(age time.Duration) {
	var old []*direct
	var qs []bus.QueuedNotification
	for range len(l.c) {
		select {
		case d := <-l.c:
			if time.Since(d.made) < age {
				select {
				case l.c <- d:
					continue
				default:
				}
			}
			old, qs = append(old, d), append(qs, d.queued())
		default:
		}
	}
	if len(old) > 0 {
		if err := l.enqueue(old, qs); err != nil {
			l.p.log.Warn("notifications can't be queued: their findings come again", "output", l.output, "notifications", len(old), "error", err)
		}
	}
	l.behind.Store(len(old) > 0)
}

// close ends the lane. What is in it goes into the queue. Closing it again does nothing.
func (l *lane) close() {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return
	}
	l.p.lanes.CompareAndDelete(l.output, l)
	close(l.end)
	l.ended.Wait()
}

// Backlogs returns how many notifications each output has still to take, by its name as a bus.Token, also for outputs that are
// no longer configured: those in its queue, and those on their way past it in this process.
func (p *Pipeline) Backlogs(ctx context.Context) (map[string]uint64, error) {
	out, err := p.opts.Bus.Backlogs(ctx)
	if err != nil {
		return nil, err
	}
	p.lanes.Range(func(output, l any) bool {
		if n := l.(*lane).open.Load(); n > 0 {
			out[bus.Token(output.(string))] += uint64(n)
		}
		return true
	})
	return out, nil
}
