package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-io/tocsin/finding"
)

// Queue is the durable consumer of one output's work queue. It fetches a little ahead, and tells the server again and again
// that it has what nobody has asked for yet: a destination that is slow or down would otherwise get it twice, since the
// server gives to another what is not acknowledged in time. That is why it fetches itself, instead of having the client's
// library do it, whose own buffer can't be seen.
type Queue struct {
	bus    *Bus
	output string
	cons   jetstream.Consumer
	ahead  int
	head   bool               // decode no more than finding.DecodeHead
	msgs   chan jetstream.Msg // never full
	taken  chan struct{}      // there is room
	sweep  *sweeper
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu   sync.Mutex
	held map[jetstream.Msg]struct{} // those in msgs
}

// fetchWait is how long one request for messages stands. A server that went away is noticed no later.
const fetchWait = 2 * time.Second

// QueueOptions say how a queue is read. The zero value works.
type QueueOptions struct {
	Ahead int  // deliveries that are fetched before they are asked for, at most; 0 means 256
	Head  bool // whoever reads passes the JSON on, and needs no more decoded than finding.DecodeHead does
}

// Deliveries opens the queue of an output.
func (b *Bus) Deliveries(ctx context.Context, output string, opts QueueOptions) (*Queue, error) {
	ahead := opts.Ahead
	if ahead <= 0 {
		ahead = 256
	}
	cons, err := b.js.CreateOrUpdateConsumer(ctx, QueueStream(output), jetstream.ConsumerConfig{
		Durable: queueDurable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 8192, MaxDeliver: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue of output %s: %w", output, err)
	}
	q := &Queue{
		bus: b, output: output, cons: cons, ahead: ahead, head: opts.Head, msgs: make(chan jetstream.Msg, ahead), taken: make(chan struct{}, 1),
		held: map[jetstream.Msg]struct{}{},
	}
	ctx, q.cancel = context.WithCancel(context.Background())
	q.ended.Go(func() { q.fetch(ctx) })
	q.ended.Go(func() { q.extend(ctx) })
	q.sweep = b.sweep(QueueStream(output), []string{queueDurable}, false)
	return q, nil
}

func (q *Queue) fetch(ctx context.Context) {
	for ctx.Err() == nil {
		room := q.ahead - len(q.msgs)
		if room <= q.ahead/2 {
			select {
			case <-ctx.Done():
			case <-q.taken:
			}
			continue
		}
		if err := q.fetchSome(ctx, room); err != nil && ctx.Err() == nil {
			if !errors.Is(err, nats.ErrConnectionClosed) {
				q.bus.log.Debug("queue", "output", q.output, "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(250 * time.Millisecond):
			}
		}
	}
}

func (q *Queue) fetchSome(ctx context.Context, room int) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := q.cons.Fetch(room, jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	for m := range batch.Messages() {
		q.mu.Lock()
		q.held[m] = struct{}{}
		q.mu.Unlock()
		q.msgs <- m
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// extend tells the server that what waits here is not forgotten. Who has taken a delivery extends it himself.
func (q *Queue) extend(ctx context.Context) {
	tick := time.NewTicker(ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		q.mu.Lock()
		for m := range q.held {
			_ = m.InProgress()
		}
		q.mu.Unlock()
	}
}

// Message is what came out of a queue. Queue.Delivery says what it is.
type Message = jetstream.Msg

// Messages is where they come, for who waits for other things as well. All others use Next.
func (q *Queue) Messages() <-chan Message { return q.msgs }

// Next waits for the next delivery.
func (q *Queue) Next(ctx context.Context) (*Delivery, error) {
	for {
		select {
		case m := <-q.msgs:
			if d := q.Delivery(m); d != nil {
				return d, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Delivery takes a message out of the queue; nil: it is not its time yet, or it can't be decoded, and that is seen to.
func (q *Queue) Delivery(m Message) *Delivery {
	q.release(m)
	d := &Delivery{queue: q, msg: m}
	if wait := notBefore(m); wait > 0 {
		m.NakWithDelay(wait)
		return nil
	}
	if err := q.decode(m.Data(), &d.n); err != nil {
		q.bus.log.Error("a notification can't be decoded: it goes to the dead letters", "output", q.output, "error", err)
		_ = d.Dead(err)
		return nil
	}
	d.n.Attempt = attempts(m)
	return d
}

func (q *Queue) decode(body []byte, n *finding.Notification) (err error) {
	if q.head {
		*n, err = finding.DecodeHead(body)
		return err
	}
	if err := json.Unmarshal(body, n); err != nil {
		return fmt.Errorf("decode notification: %w", err)
	}
	n.Body = body
	return nil
}

func (q *Queue) release(m jetstream.Msg) {
	q.mu.Lock()
	delete(q.held, m)
	q.mu.Unlock()
	select {
	case q.taken <- struct{}{}:
	default:
	}
}

// Close stops the consumer. What was fetched and nobody has taken is given back at once; deliveries that were not
// acknowledged come again.
func (q *Queue) Close() {
	q.sweep.stop()
	q.cancel()
	q.ended.Wait()
	for {
		select {
		case m := <-q.msgs:
			m.Nak()
		default:
			return
		}
	}
}
