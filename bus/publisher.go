package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-io/tocsin/finding"
)

// ErrClosed is returned by a Publisher after Close.
var ErrClosed = errors.New("publisher is closed")

// PublisherOptions say for whom a Publisher speaks. Zero values work.
type PublisherOptions struct {
	Cluster, Host string // of the subject; a finding's own come first
	Queue         int    // findings waiting in memory; 0 means 8,192
}

// Publisher sends findings to the stream. Publish only queues; one worker sends what has gathered as a batch, so that
// nobody waits for a disk once a finding. What NATS has not stored is not forgotten: it is tried again, or spooled.
type Publisher struct {
	bus   *Bus
	opts  PublisherOptions
	queue chan item
	done  chan struct{}
	stop  chan struct{}
	once  sync.Once

	published, oversized atomic.Uint64
}

// item is one finding on its way, or, without a message, a mark whose turn tells that all before it are stored.
type item struct {
	msg      *nats.Msg
	severity finding.Severity
	stored   chan error // nil: nobody waits
}

// NewPublisher starts a publisher. Close it.
func (b *Bus) NewPublisher(opts PublisherOptions) *Publisher {
	if opts.Queue <= 0 {
		opts.Queue = 8192
	}
	p := &Publisher{bus: b, opts: opts, queue: make(chan item, opts.Queue), done: make(chan struct{}), stop: make(chan struct{})}
	go p.run()
	return p
}

// Publish queues f, whose ID must be set. It blocks only while the queue is full, until ctx is done; an error means
// that f was not taken.
func (p *Publisher) Publish(ctx context.Context, f *finding.Finding) error {
	return p.put(ctx, f, nil)
}

// Store publishes and returns when all findings are stored, in the stream or in the spool.
func (p *Publisher) Store(ctx context.Context, findings ...*finding.Finding) error {
	stored := make(chan error, len(findings))
	for _, f := range findings {
		if err := p.put(ctx, f, stored); err != nil {
			return err
		}
	}
	for range findings {
		select {
		case err := <-stored:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("store findings: %w", ctx.Err())
		}
	}
	return nil
}

func (p *Publisher) put(ctx context.Context, f *finding.Finding, stored chan error) error {
	msg, err := p.encode(f)
	if err != nil {
		return err
	}
	return p.enqueue(ctx, item{msg, f.Severity, stored})
}

func (p *Publisher) enqueue(ctx context.Context, it item) error {
	select {
	case <-p.stop:
		return ErrClosed
	default:
	}
	select {
	case p.queue <- it:
		return nil
	case <-p.stop:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("publish finding: %w", ctx.Err())
	}
}

func (p *Publisher) encode(f *finding.Finding) (*nats.Msg, error) {
	if f.ID == "" {
		return nil, errors.New("publish finding: it has no id")
	}
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode finding %s: %w", f.ID, err)
	}
	if limit := p.bus.maxPayload(); len(data) > limit { // the fact is worth more than its attachment
		p.oversized.Add(1)
		short := *f
		short.Event, short.Data = nil, nil
		short.Message += fmt.Sprintf(" (event of %d bytes left out: the bus takes %d)", len(data), limit)
		if data, err = json.Marshal(&short); err != nil {
			return nil, fmt.Errorf("encode finding %s: %w", f.ID, err)
		}
	}
	cluster, host := f.Cluster, f.Host
	if cluster == "" {
		cluster = p.opts.Cluster
	}
	if host == "" {
		host = p.opts.Host
	}
	return &nats.Msg{Subject: FindingsSubject(cluster, host), Data: data, Header: nats.Header{jetstream.MsgIDHeader: {f.ID}}}, nil
}

// maxPayload is the largest message the server takes, less room for headers.
func (b *Bus) maxPayload() int {
	if n := int(b.nc.MaxPayload()); n > 4096 {
		return n - 4096
	}
	return 1<<20 - 4096 // the server's default, while it can't be asked
}

// run takes what has gathered, and keeps it until it is stored.
func (p *Publisher) run() {
	defer close(p.done)
	for {
		var batch []item
		select {
		case it := <-p.queue:
			batch = append(batch, it)
		case <-p.stop:
		}
		batch = p.gather(batch)
		if len(batch) == 0 {
			return // stopped, and the queue is empty
		}
		err := p.keep(batch)
		for _, it := range batch {
			if it.stored != nil {
				it.stored <- err
			}
		}
	}
}

func (p *Publisher) gather(batch []item) []item {
	for len(batch) < maxBatch {
		select {
		case it := <-p.queue:
			batch = append(batch, it)
		default:
			return batch
		}
	}
	return batch
}

// keep stores the batch in the stream or the spool. It gives up only when the publisher is closed with neither at hand.
func (p *Publisher) keep(batch []item) error {
	msgs := make([]*nats.Msg, 0, len(batch))
	for _, it := range batch {
		if it.msg != nil {
			msgs = append(msgs, it.msg)
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		ctx, cancel := context.WithTimeout(context.Background(), asyncTimeout)
		err := p.bus.publishAll(ctx, msgs)
		cancel()
		if err == nil {
			p.published.Add(uint64(len(msgs)))
			return nil
		}
		p.bus.log.Warn("findings are not stored, trying again", "findings", len(msgs), "error", err)
		select {
		case <-p.stop:
			return fmt.Errorf("%w: %d findings are lost: %w", ErrClosed, len(msgs), err)
		case <-time.After(delay):
		}
	}
}

// Flush returns when everything queued before it is stored.
func (p *Publisher) Flush(ctx context.Context) error {
	stored := make(chan error, 1)
	if err := p.enqueue(ctx, item{stored: stored}); err != nil {
		return err
	}
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flush findings: %w", ctx.Err())
	}
}

// Close stores what is queued and ends the publisher. When ctx is done first, it says how much was left.
func (p *Publisher) Close(ctx context.Context) error {
	err := p.Flush(ctx)
	if errors.Is(err, ErrClosed) {
		err = nil
	}
	p.once.Do(func() { close(p.stop) })
	select {
	case <-p.done:
	case <-time.After(2 * asyncTimeout):
	}
	return err
}

// PublisherStats counts since the start.
type PublisherStats struct {
	Published uint64 // stored in the stream
	Oversized uint64 // sent without their event
	Queued    int    // waiting in memory now
}

// Stats returns the counts.
func (p *Publisher) Stats() PublisherStats {
	return PublisherStats{p.published.Load(), p.oversized.Load(), len(p.queue)}
}
