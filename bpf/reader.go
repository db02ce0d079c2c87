package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf/internal/packet"
	"github.com/tocsin-io/tocsin/event"
)

// pollInterval bounds how long an event that is not urgent waits in the ring. Waking the reader for each event would
// cost the observed process more than everything else.
const pollInterval = 8 * time.Millisecond

// Run calls handle with each event, in the order in which they came into the ring, until ctx is done (it returns nil) or
// the sensor is closed (os.ErrClosed). The event is valid during the call only. Run allocates nothing for an event.
func (s *Sensor) Run(ctx context.Context, handle func(*event.Event)) error {
	stop := context.AfterFunc(ctx, func() { s.reader.Flush() }) //nolint:errcheck // a closed reader returns by itself
	defer stop()
	var (
		rec ringbuf.Record
		e   event.Event

		packets packet.Decoder
	)
	rec.RawSample = make([]byte, 0, 64<<10) // more than the largest record
	boot := bootTime()
	var sinceBoot int
	s.reader.SetDeadline(time.Now().Add(pollInterval))
	for {
		switch err := s.reader.ReadInto(&rec); {
		case err == nil:
			if err := e.Decode(rec.RawSample, boot); err != nil {
				s.undecoded.Add(1)
				continue
			}
			if e.ID == moduleLoadID {
				s.scanner.hurry()
			}
			seen := &e
			if packet.Is(e.Def) {
				var err error
				if seen, err = packets.Decode(&e); err != nil {
					if n := s.unparsed[err]; n != nil {
						n.Add(1)
					} else {
						s.undecoded.Add(1)
					}
					continue
				}
			}
			handle(seen)
			if sinceBoot++; sinceBoot >= 1<<10 { // a ring that is never empty must not keep an old clock, nor the reader
				sinceBoot, boot = 0, bootTime()
				s.scanner.hand(handle)
				if ctx.Err() != nil {
					return nil
				}
			}
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
			if ctx.Err() != nil {
				return nil
			}
			sinceBoot, boot = 0, bootTime()
			s.scanner.hand(handle)
			s.reader.SetDeadline(time.Now().Add(pollInterval))
		case errors.Is(err, ringbuf.ErrClosed):
			return os.ErrClosed
		default:
			return fmt.Errorf("read ring buffer: %w", err)
		}
	}
}

// bootTime returns what turns a time since boot into wall clock, ns. It changes when the clock is set. Two clocks cannot be read at
// once: a reading that took long, because the thread was preempted between them, is repeated.
func bootTime() uint64 {
	var best, took int64 = 0, 1 << 62
	for range 4 {
		var before, wall, after unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &before) != nil || unix.ClockGettime(unix.CLOCK_REALTIME, &wall) != nil ||
			unix.ClockGettime(unix.CLOCK_BOOTTIME, &after) != nil {
			return 0
		}
		if d := after.Nano() - before.Nano(); d < took {
			best, took = wall.Nano()-after.Nano(), d
		}
		if took < 10_000 {
			break
		}
	}
	return uint64(best)
}
