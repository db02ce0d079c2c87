package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	headerError     = "Tocsin-Error"
	headerOutput    = "Tocsin-Output"
	headerAttempts  = "Tocsin-Attempts"
	headerNotBefore = "Tocsin-Not-Before" // Unix milliseconds
)

// buryMessage stores a message in DEAD, with why.
func (b *Bus) buryMessage(m jetstream.Msg, output string, cause error) error {
	id := ""
	if meta, err := m.Metadata(); err == nil {
		id = deadID(meta.Stream, meta.Sequence.Stream)
	}
	return b.bury(id, output, m.Data(), attempts(m)+1, cause)
}

// deadID is the id of the dead letter that a message becomes: the same however often it is buried.
func deadID(stream string, sequence uint64) string { return fmt.Sprintf("%s.%d", stream, sequence) }

// Bury stores a notification that was never queued in the dead letters, with why.
func (b *Bus) Bury(n QueuedNotification, cause error) error {
	return b.bury(n.ID, n.Output, n.Body, n.Attempts, cause)
}

func (b *Bus) bury(id, output string, body []byte, attempts int, cause error) error {
	dead := &nats.Msg{Subject: deadSubject(output), Data: body, Header: nats.Header{
		jetstream.MsgIDHeader: {id}, headerOutput: {output}, headerAttempts: {strconv.Itoa(attempts)}, headerError: {headerText(cause)},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), asyncTimeout)
	defer cancel()
	if _, err := b.js.PublishMsg(ctx, dead); err != nil {
		return fmt.Errorf("store dead letter: %w", err)
	}
	return nil
}

// headerText makes an error one line of bounded length.
func headerText(err error) string {
	if err == nil {
		return ""
	}
	b := []byte(err.Error())
	b = b[:min(len(b), 1024)]
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	return string(b)
}

// DeadLetter is what was given up.
type DeadLetter struct {
	Output   string
	Error    string
	Attempts int
	Time     time.Time
	Body     []byte // the whole notification, or what could not be decoded
	msg      jetstream.Msg
}

// Ack says that the dead letter is in the store. The stream keeps it in any case until it ages out.
func (d *DeadLetter) Ack() error { return d.msg.Ack() }

// DeadLetters is the durable consumer that copies dead letters into the store.
type DeadLetters struct {
	msgs chan jetstream.Msg
	cc   jetstream.ConsumeContext
}

// DeadLetters starts to consume.
func (b *Bus) DeadLetters(ctx context.Context) (*DeadLetters, error) {
	cons, err := b.js.CreateOrUpdateConsumer(ctx, StreamDead, jetstream.ConsumerConfig{
		Durable: "router", AckPolicy: jetstream.AckExplicitPolicy, AckWait: findingAckWait, MaxAckPending: 1024, MaxDeliver: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("create consumer of %s: %w", StreamDead, err)
	}
	d := &DeadLetters{msgs: make(chan jetstream.Msg, 64)}
	// A full channel holds the consumer back.
	if d.cc, err = cons.Consume(func(m jetstream.Msg) { d.msgs <- m }, jetstream.PullMaxMessages(64), jetstream.PullExpiry(10*time.Second)); err != nil {
		return nil, fmt.Errorf("consume %s: %w", StreamDead, err)
	}
	return d, nil
}

// Next waits for the next dead letter.
func (d *DeadLetters) Next(ctx context.Context) (*DeadLetter, error) {
	select {
	case m := <-d.msgs:
		h := m.Headers()
		letter := &DeadLetter{Output: h.Get(headerOutput), Error: h.Get(headerError), Body: m.Data(), msg: m}
		letter.Attempts, _ = strconv.Atoi(h.Get(headerAttempts))
		if meta, err := m.Metadata(); err == nil {
			letter.Time = meta.Timestamp
		}
		return letter, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops the consumer.
func (d *DeadLetters) Close() {
	d.cc.Drain()
	giveBack(d.msgs, d.cc.Closed(), func(m jetstream.Msg) { _ = m.Nak() })
}
