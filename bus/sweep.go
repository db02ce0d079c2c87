package bus

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	sweepEvery = 2 * time.Second
	// sweepBytes is how much of what is acknowledged a stream may hold before it is worth deleting: whole files of the
	// server go then.
	sweepBytes = 16 << 20
)

// sweeper deletes what a stream's consumer has acknowledged.
type sweeper struct {
	bus             *Bus
	stream, durable string
	keep            bool // while there is room: FINDINGS is also a history
	crowded         atomic.Bool
	cancel          context.CancelFunc
	done            chan struct{}
}

func (b *Bus) sweep(stream, durable string, keep bool) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{bus: b, stream: stream, durable: durable, keep: keep, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := s.once(ctx); err != nil && ctx.Err() == nil {
					b.log.Debug("sweep", "stream", stream, "error", err)
				}
			}
		}
	}()
	return s
}

func (s *sweeper) stop() {
	s.cancel()
	<-s.done
}

func (s *sweeper) once(ctx context.Context) error {
	st, err := s.bus.js.Stream(ctx, s.stream)
	if err != nil {
		return err
	}
	cons, err := st.Consumer(ctx, s.durable)
	if err != nil {
		return err
	}
	info, floor := st.CachedInfo(), cons.CachedInfo().AckFloor.Stream
	state := info.State
	limit := uint64(max(info.Config.MaxBytes, 0))
	// Something that is not acknowledged for long holds up what is behind it.
	s.crowded.Store(limit > 0 && state.Bytes > limit/4)
	if state.Msgs == 0 || floor < state.FirstSeq {
		return nil
	}
	worth := state.Bytes > min(sweepBytes, limit/4) || floor == state.LastSeq
	if s.keep {
		worth = limit > 0 && state.Bytes > limit/2
	}
	if !worth {
		return nil
	}
	return st.Purge(ctx, jetstream.WithPurgeSequence(floor+1))
}
