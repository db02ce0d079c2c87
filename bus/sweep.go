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
	// lagLooks is for how many looks a server of a cluster may be behind another, where one of both is overloaded: half a minute.
	lagLooks = 15
)

// sweeper deletes what a stream's consumers have acknowledged.
type sweeper struct {
	bus      *Bus
	stream   string
	durables []string
	keep     bool     // while there is room: FINDINGS is also a history
	looks    []uint64 // last sequences in the stream at the last looks, oldest first
	crowded  atomic.Bool
	cancel   context.CancelFunc
	done     chan struct{}
}

func (b *Bus) sweep(stream string, durables []string, keep bool) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sweeper{bus: b, stream: stream, durables: durables, keep: keep, cancel: cancel, done: make(chan struct{})}
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
	info := st.CachedInfo()
	state := info.State
	limit := uint64(max(info.Config.MaxBytes, 0))
	// Something that is not acknowledged for long holds up what is behind it.
	s.crowded.Store(limit > 0 && state.Bytes > limit/4)
	floor, settled := state.LastSeq, uint64(0)
	lag := 1
	if info.Config.Replicas > 1 {
		lag = lagLooks
	}
	if len(s.looks) >= lag {
		s.looks = s.looks[len(s.looks)-lag:]
		settled = s.looks[0]
	}
	s.looks = append(s.looks, state.LastSeq)
	if s.keep && (limit == 0 || state.Bytes <= limit/2) {
		return nil
	}
	for _, durable := range s.durables {
		cons, err := st.Consumer(ctx, durable)
		if err != nil {
			return err
		}
		// The floor of a consumer of some subjects that has nothing to do stays where it is. It may not have seen yet what the
		// stream has: in a cluster they are led by different servers. So what has come of late stays.
		c := cons.CachedInfo()
		if !s.keep || c.NumPending > 0 || c.NumAckPending > 0 {
			floor = min(floor, c.AckFloor.Stream)
		} else {
			floor = min(floor, settled)
		}
	}
	if state.Msgs == 0 || floor < state.FirstSeq {
		return nil
	}
	if !s.keep && state.Bytes <= min(sweepBytes, limit/4) && floor < state.LastSeq {
		return nil
	}
	return st.Purge(ctx, jetstream.WithPurgeSequence(floor+1))
}
