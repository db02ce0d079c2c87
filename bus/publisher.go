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
	Spool         *Spool // where findings wait while NATS can't be reached; nil: in memory, and then Publish blocks
	DrainRate     int    // findings a second out of the spool, once NATS is back; 0 means 2,000
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

	published, spooled, oversized atomic.Uint64
	drained                       chan struct{} // closed when the drainer has ended
	filled                        chan struct{} // the spool has something
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
	if opts.DrainRate <= 0 {
		opts.DrainRate = 2000
	}
	p := &Publisher{
		bus: b, opts: opts, queue: make(chan item, opts.Queue), done: make(chan struct{}), stop: make(chan struct{}),
		drained: make(chan struct{}), filled: make(chan struct{}, 1),
	}
	go p.run()
	if opts.Spool != nil {
		go p.drain()
	} else {
		close(p.drained)
	}
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
	data, err := finding.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode finding %s: %w", f.ID, err)
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

// fit shortens findings that the server would refuse: the fact is worth more than its attachment.
func (p *Publisher) fit(msgs []*nats.Msg) error {
	limit := int(p.bus.nc.MaxPayload()) - 4096 // less room for headers
	if limit <= 0 {
		return nats.ErrConnectionReconnecting // not connected yet: nobody knows
	}
	for _, m := range msgs {
		if len(m.Data) <= limit {
			continue
		}
		var f finding.Finding
		if err := json.Unmarshal(m.Data, &f); err != nil {
			return fmt.Errorf("decode finding: %w", err)
		}
		f.Event, f.Data = nil, nil
		f.Message += fmt.Sprintf(" (event left out: with its %d bytes the finding is more than NATS takes)", len(m.Data))
		data, err := finding.Marshal(&f)
		if err != nil {
			return fmt.Errorf("encode finding: %w", err)
		}
		m.Data = data
		p.oversized.Add(1)
	}
	return nil
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
		var err error
		// What is in the spool comes first.
		if p.opts.Spool == nil || p.opts.Spool.Len() == 0 {
			if err = p.send(msgs); err == nil {
				return nil
			}
		}
		if p.opts.Spool != nil {
			spoolErr := p.spool(batch)
			if spoolErr == nil {
				return nil
			}
			err = errors.Join(err, spoolErr)
		}
		p.bus.log.Warn("findings are not stored, trying again", "findings", len(msgs), "error", err)
		select {
		case <-p.stop:
			return fmt.Errorf("%w: %d findings are lost: %w", ErrClosed, len(msgs), err)
		case <-time.After(delay):
		}
	}
}

// send stores messages in the stream, and does not wait for a server that is away.
func (p *Publisher) send(msgs []*nats.Msg) error {
	if !p.bus.nc.IsConnected() {
		return nats.ErrConnectionReconnecting
	}
	if err := p.fit(msgs); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), asyncTimeout)
	defer cancel()
	if err := p.bus.publishAll(ctx, msgs); err != nil {
		return err
	}
	p.published.Add(uint64(len(msgs)))
	return nil
}

func (p *Publisher) spool(batch []item) error {
	list := make([]*record, 0, len(batch))
	for _, it := range batch {
		if it.msg != nil {
			list = append(list, &record{severity: it.severity, subject: it.msg.Subject, id: it.msg.Header.Get(jetstream.MsgIDHeader), data: it.msg.Data})
		}
	}
	if err := p.opts.Spool.append(list); err != nil {
		return err
	}
	p.spooled.Add(uint64(len(list)))
	select {
	case p.filled <- struct{}{}:
	default:
	}
	return nil
}

// drain publishes what is in the spool, oldest first, no faster than DrainRate: the router has other sensors, too.
func (p *Publisher) drain() {
	defer close(p.drained)
	pause := func(d time.Duration) bool {
		select {
		case <-p.stop:
			return false
		case <-time.After(d):
			return true
		}
	}
	most := maxBatch
	for {
		list, err := p.opts.Spool.take(most)
		if err != nil {
			p.bus.log.Error("the spool is damaged", "error", err)
			p.opts.Spool.rewind()
			continue
		}
		if len(list) == 0 {
			select {
			case <-p.stop:
				return
			case <-p.filled:
			case <-time.After(time.Second):
			}
			continue
		}
		msgs := make([]*nats.Msg, len(list))
		for i, t := range list {
			msgs[i] = &nats.Msg{Subject: t.subject, Data: t.data, Header: nats.Header{jetstream.MsgIDHeader: {t.id}}}
		}
		wait := time.Duration(len(list)) * time.Second / time.Duration(p.opts.DrainRate)
		if err := p.send(msgs); err != nil {
			p.opts.Spool.rewind()
			wait, most = time.Second, 1 // one is enough to see whether NATS is back: reading them all every second costs more than making them
		} else {
			p.opts.Spool.commit(list)
			most = maxBatch
		}
		if !pause(wait) {
			return
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
	for _, c := range []chan struct{}{p.done, p.drained} {
		select {
		case <-c:
		case <-time.After(2 * asyncTimeout):
		}
	}
	return err
}

// PublisherStats counts since the start.
type PublisherStats struct {
	Published uint64 // stored in the stream
	Spooled   uint64 // stored in the spool, to be published later
	Oversized uint64 // sent without their event
	Queued    int    // waiting in memory now
}

// Stats returns the counts.
func (p *Publisher) Stats() PublisherStats {
	return PublisherStats{p.published.Load(), p.spooled.Load(), p.oversized.Load(), len(p.queue)}
}
