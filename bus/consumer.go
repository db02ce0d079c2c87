package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-io/tocsin/finding"
)

// FindingMessage is one finding with its acknowledgement.
type FindingMessage struct {
	Finding finding.Finding
	msg     *nats.Msg
}

// Body is the finding's JSON.
func (m *FindingMessage) Body() []byte { return m.msg.Data }

// Repeated reports whether the server may have given it to somebody before.
func (m *FindingMessage) Repeated() bool {
	meta, err := m.msg.Metadata()
	return err != nil || meta.NumDelivered > 1
}

// ExtendEvery is how often Extend is to be called for a finding in hand; otherwise the server gives it to somebody again.
const ExtendEvery = findingAckWait / 4

// Extend says that the finding is still being worked on.
func (m *FindingMessage) Extend() error { return m.msg.InProgress() }

// Ack tells the server that the finding is in the store. It is not waited for: a lost one causes a harmless repeat.
func (m *FindingMessage) Ack() error { return m.msg.Ack() }

// Findings is the router's part of the stream: the partitions that it reads.
type Findings struct {
	bus    *Bus
	msgs   chan *nats.Msg
	held   atomic.Int32
	member *member
	sweep  *sweeper
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.RWMutex
	reading [Partitions]*pull // nil: another router does
}

// partitionAhead is how much of a partition is fetched ahead. It waits here while nobody tells the server so, and is given again when it
// waits too long: it is little.
const partitionAhead = 64

// Findings starts to consume. Several routers that do so share the work.
func (b *Bus) Findings(ctx context.Context) (*Findings, error) {
	if err := b.createPartitions(ctx); err != nil {
		return nil, err
	}
	m, err := b.join(ctx)
	if err != nil {
		return nil, err
	}
	f := &Findings{bus: b, msgs: make(chan *nats.Msg, 4*Partitions*partitionAhead), member: m, done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(f.done)
		f.share(ctx)
	}()
	durables := make([]string, Partitions)
	for p := range durables {
		durables[p] = partitionDurable(p)
	}
	f.sweep = b.sweep(StreamFindings, durables, true)
	return f, nil
}

// Partitions returns how many of the partitions this router reads.
func (f *Findings) Partitions() int { return int(f.held.Load()) }

// Next waits for a finding and returns it with those that are there, at most limit. What can't be decoded goes to the dead
// letters.
func (f *Findings) Next(ctx context.Context, limit int) ([]*FindingMessage, error) {
	out := make([]*FindingMessage, 0, min(limit, 1+len(f.msgs)))
	for len(out) == 0 {
		select {
		case m := <-f.msgs:
			out = f.take(out, m)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for len(out) < limit {
		select {
		case m := <-f.msgs:
			out = f.take(out, m)
		default:
			return out, nil
		}
	}
	return out, nil
}

func (f *Findings) take(out []*FindingMessage, m *nats.Msg) []*FindingMessage {
	if !f.counted(m) {
		return out
	}
	x, err := finding.Decode(m.Data)
	if err == nil && x.ID == "" {
		err = errors.New("it has no id")
	}
	if err == nil {
		return append(out, &FindingMessage{x, m})
	}
	f.bus.log.Error("a finding can't be decoded: it goes to the dead letters", "subject", m.Subject, "error", err)
	id, given := "", 1
	if meta, err := m.Metadata(); err == nil {
		id, given = deadID(meta.Stream, meta.Sequence.Stream), int(meta.NumDelivered)
	}
	if f.bus.bury(id, "findings", m.Data, given, fmt.Errorf("decode finding: %w", err)) == nil {
		_ = m.Ack()
	}
	return out
}

// counted has the partition ask for more, and reports whether m is a message.
func (f *Findings) counted(m *nats.Msg) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, p := range f.reading {
		if p != nil && p.sub == m.Sub {
			return p.take(m)
		}
	}
	return statusOf(m) == "" // it is not read any more
}

// Close stops the consumer; what was fetched and not acknowledged comes again.
func (f *Findings) Close() {
	f.sweep.stop()
	f.cancel()
	<-f.done
	f.member.leave()
	for _, p := range f.reading {
		if p != nil {
			p.stop()
		}
	}
	for _, p := range f.reading {
		if p != nil {
			giveBack(f.msgs, p.ended, func(m *nats.Msg) { _ = m.Nak() })
		}
	}
}

// giveBack gives back at once what was fetched and nobody has seen, until ended; otherwise it would come again only when its
// acknowledgement is overdue.
func giveBack[M any](msgs chan M, ended <-chan struct{}, nak func(M)) {
	for {
		select {
		case m := <-msgs:
			nak(m)
		case <-ended:
			for {
				select {
				case m := <-msgs:
					nak(m)
				default:
					return
				}
			}
		}
	}
}

// PublishNotifications queues each notification for its output. The returned map has the outputs whose notifications
// are not stored, with the reason: publish those again, with the same ids.
func (b *Bus) PublishNotifications(ctx context.Context, list []QueuedNotification) map[string]error {
	byOutput := map[string][]*nats.Msg{}
	failed := map[string]error{}
	for i := range list {
		n := &list[i]
		id := n.ID
		if n.Retry > 0 { // asked for again by a person: not a repeat
			id = fmt.Sprintf("%s#%d", n.ID, n.Retry)
		}
		h := nats.Header{jetstream.MsgIDHeader: {id}}
		if n.Attempts > 0 {
			h[headerAttempts] = []string{strconv.Itoa(n.Attempts)}
		}
		if n.Delay > 0 {
			h[headerNotBefore] = []string{strconv.FormatInt(time.Now().Add(n.Delay).UnixMilli(), 10)}
		}
		byOutput[n.Output] = append(byOutput[n.Output], &nats.Msg{Subject: queueSubject(n.Output), Data: n.Body, Header: h})
	}
	for output, msgs := range byOutput {
		if err := b.publishAll(ctx, msgs); err != nil {
			failed[output] = fmt.Errorf("queue %d notifications for output %s: %w", len(msgs), output, err)
		}
	}
	return failed
}

// QueuedNotification is an encoded finding.Notification for one output's queue.
type QueuedNotification struct {
	ID     string
	Output string
	Body   []byte // JSON of a finding.Notification
	Retry  int    // how often it was taken back from the dead letters

	Attempts int           // tries before it was queued
	Delay    time.Duration // how long it is not to be tried
}

// Delivery is one notification to be delivered. Exactly one of Ack, Retry, GiveBack and Dead ends it; without one it comes again
// after 5 seconds, unless Extend says that it is being worked on.
type Delivery struct {
	queue *Queue
	msg   jetstream.Msg
	n     finding.Notification
}

// Notification is what to deliver. It is this delivery's own.
func (d *Delivery) Notification() *finding.Notification { return &d.n }

// Attempt counts the tries before this one.
func (d *Delivery) Attempt() int { return d.n.Attempt }

// Ack says that the destination has taken it.
func (d *Delivery) Ack() error { return d.msg.Ack() }

// Retry gives it back to the queue, to come again after delay.
func (d *Delivery) Retry(delay time.Duration, _ error) error {
	// Where it stands it holds up the sweeping of all that came after it.
	if d.queue.sweep.crowded.Load() && d.again(delay, attempts(d.msg)+1) == nil {
		return d.msg.Ack()
	}
	return d.msg.NakWithDelay(delay)
}

// GiveBack gives it back to the queue untried, to come again after delay; with none, at once, to whoever else reads the queue.
func (d *Delivery) GiveBack(delay time.Duration) error {
	// The server counts how often it gave a message to somebody, not how often that one tried.
	if delay > 0 && d.again(delay, attempts(d.msg)) == nil {
		return d.msg.Ack()
	}
	return d.msg.NakWithDelay(delay)
}

// again puts a copy at the end of the queue, that counts the tries before it.
func (d *Delivery) again(delay time.Duration, tries int) error {
	meta, err := d.msg.Metadata()
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: d.msg.Subject(), Data: d.msg.Data(), Header: nats.Header{
		jetstream.MsgIDHeader: {fmt.Sprintf("%s~%d.%d", d.n.ID, meta.Sequence.Stream, tries)}, headerAttempts: {strconv.Itoa(tries)},
		headerNotBefore: {strconv.FormatInt(time.Now().Add(delay).UnixMilli(), 10)},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), asyncTimeout)
	defer cancel()
	_, err = d.queue.bus.js.PublishMsg(ctx, m)
	return err
}

// attempts counts the tries before this one, those of the copies before included. That a copy came before its time, and was
// given back, was no try.
func attempts(m jetstream.Msg) int {
	n, _ := strconv.Atoi(m.Headers().Get(headerAttempts))
	if meta, err := m.Metadata(); err == nil {
		given := int(meta.NumDelivered) - 1
		if given > 0 && m.Headers().Get(headerNotBefore) != "" {
			given--
		}
		n += given
	}
	return n
}

// notBefore is how long a copy has still to wait. What a clock that jumped makes of it is bounded.
func notBefore(m jetstream.Msg) time.Duration {
	ms, err := strconv.ParseInt(m.Headers().Get(headerNotBefore), 10, 64)
	if err != nil {
		return 0
	}
	return min(time.Until(time.UnixMilli(ms)), time.Hour)
}

// Extend says that the delivery is still being worked on.
func (d *Delivery) Extend() error { return d.msg.InProgress() }

// Dead moves it to the dead letters with the error, and returns when it is stored there.
func (d *Delivery) Dead(cause error) error {
	if err := d.queue.bus.buryMessage(d.msg, d.queue.output, cause); err != nil {
		d.msg.NakWithDelay(5 * time.Second)
		return err
	}
	return d.msg.Ack()
}
