package pipeline

import (
	"context"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/store"
)

// Queue is the queue of one output, whose results are recorded in the store.
type Queue struct {
	p *Pipeline
	q *bus.Queue
	*lane
}

// Deliveries opens the queue of an output. Close it.
func (p *Pipeline) Deliveries(ctx context.Context, output string, opts bus.QueueOptions) (*Queue, error) {
	q, err := p.opts.Bus.Deliveries(ctx, output, opts)
	if err != nil {
		return nil, err
	}
	return &Queue{p, q, p.openLane(output)}, nil
}

// Next waits for the next delivery. One that is there it returns even if ctx is done.
func (q *Queue) Next(ctx context.Context) (*Delivery, error) {
	for {
		var m bus.Message
		select {
		case d := <-q.lane.c:
			return &Delivery{d, q.p}, nil
		case m = <-q.q.Messages():
		default:
			select {
			case d := <-q.lane.c:
				return &Delivery{d, q.p}, nil
			case m = <-q.q.Messages():
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if d := q.q.Delivery(m); d != nil {
			return &Delivery{d, q.p}, nil
		}
	}
}

// Close stops the queue; deliveries that were not acknowledged come again.
func (q *Queue) Close() {
	q.lane.close()
	q.q.Close()
}

// Delivery is a delivery whose result is recorded.
type Delivery struct {
	settler
	p *Pipeline
}

// settler is a delivery out of the queue (bus.Delivery), or past it (direct). What its methods mean is said there.
type settler interface {
	Notification() *finding.Notification
	Attempt() int
	Ack() error
	Retry(delay time.Duration, cause error) error
	GiveBack(delay time.Duration) error
	Dead(cause error) error
	Extend() error
}

// result is what became of a try; ack comes after it is recorded.
type result struct {
	store.Result
	ack func() error
}

// Ack says that the destination has taken it. The record comes first: at worst the notification comes again, with the
// same id.
func (d *Delivery) Ack() error {
	n := d.Notification()
	d.p.metrics.deliveries.WithLabelValues(n.Output, "delivered").Inc()
	if n.Kind == finding.KindFinding && d.Attempt() == 0 {
		return d.settler.Ack() // nothing to record
	}
	select {
	case d.p.results <- result{store.Result{Notification: n, Status: store.Delivered, Attempts: d.Attempt() + 1, Time: time.Now()}, d.settler.Ack}:
		return nil
	case <-d.p.ended:
		return d.settler.Ack()
	}
}

// Retry gives it back to the queue, to come again after delay.
func (d *Delivery) Retry(delay time.Duration, cause error) error {
	n := d.Notification()
	d.p.metrics.deliveries.WithLabelValues(n.Output, "retried").Inc()
	text := ""
	if cause != nil {
		text = cause.Error()
	}
	select {
	case d.p.results <- result{store.Result{Notification: n, Status: store.Retrying, Attempts: d.Attempt() + 1, Error: text, Time: time.Now()}, nil}:
	default: // the record of a retry is not worth waiting for
	}
	return d.settler.Retry(delay, cause)
}

// record writes results, many at once.
func (p *Pipeline) record(ctx context.Context) error {
	for {
		var batch []result
		select {
		case r := <-p.results:
			batch = append(batch, r)
		case <-ctx.Done():
			// Whoever stops closes the outputs first; what they said is still written.
			if batch = p.gather(batch); len(batch) == 0 {
				return ctx.Err()
			}
			p.write(batch)
			continue
		}
		time.Sleep(20 * time.Millisecond) // let some gather: a transaction costs an fsync
		p.write(p.gather(batch))
	}
}

func (p *Pipeline) gather(batch []result) []result {
	for len(batch) < batchSize {
		select {
		case r := <-p.results:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

func (p *Pipeline) write(batch []result) {
	list := make([]store.Result, len(batch))
	for i := range batch {
		list[i] = batch[i].Result
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.opts.Store.Record(ctx, list); err != nil {
		p.metrics.failures.Inc()
		p.log.Error("can't record deliveries", "deliveries", len(list), "error", err)
	}
	for i := range batch {
		if batch[i].ack != nil {
			_ = batch[i].ack()
		}
	}
}
