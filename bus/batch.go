package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	// maxBatch is the number of messages in one atomic batch; the server allows 1,000.
	maxBatch = 500
	// minBatch is from where on a batch is cheaper: the server makes a directory with files for each, and syncs them,
	// which takes as long as the fsyncs of so many single messages.
	minBatch = 48
)

// publishAll stores the messages, all for one stream, and returns when they are on disk. A large batch
// costs a few fsyncs instead of one a message. After an error any part of them may be stored: repeat them, the ids make that harmless.
func (b *Bus) publishAll(ctx context.Context, msgs []*nats.Msg) error {
	for len(msgs) > 0 {
		n := min(len(msgs), maxBatch)
		if err := b.publishBatch(ctx, msgs[:n]); err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

func (b *Bus) publishBatch(ctx context.Context, msgs []*nats.Msg) error {
	if len(msgs) >= minBatch {
		_, err := jetstreamext.PublishMsgBatch(ctx, b.js, msgs, jetstreamext.BatchFlowControl{})
		if err == nil {
			return nil
		}
		// A batch is refused as a whole when one of its ids has been seen: then the server sorts them out one by one.
		var api *jetstream.APIError
		if !errors.As(err, &api) {
			return fmt.Errorf("publish %d messages: %w", len(msgs), err)
		}
	}
	return b.publishEach(ctx, msgs)
}

func (b *Bus) publishEach(ctx context.Context, msgs []*nats.Msg) error {
	acks := make([]jetstream.PubAckFuture, 0, len(msgs))
	for _, m := range msgs {
		for _, h := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
			m.Header.Del(h)
		}
		m.Reply = ""
		// Under sync: always the server can fall behind: a stall is back-pressure, not an error.
		ack, err := b.js.PublishMsgAsync(m, jetstream.WithStallWait(asyncTimeout))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		acks = append(acks, ack)
	}
	return wait(ctx, acks)
}

func wait(ctx context.Context, acks []jetstream.PubAckFuture) error {
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return fmt.Errorf("publish: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("publish: %w", ctx.Err())
		}
	}
	return nil
}
