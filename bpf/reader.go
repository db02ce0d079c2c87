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

// clockInterval is how often the clock is asked, which may be set at any time.
const clockInterval = 100 * time.Millisecond

// Run calls handle with each event, in the order in which they came into the ring, until ctx is done (it returns nil) or
// the sensor is closed (os.ErrClosed). The event is valid during the call only. Run allocates nothing for an event.
func (s *Sensor) Run(ctx context.Context, handle func(*event.Event)) error {
	stop := context.AfterFunc(ctx, s.bell.interrupt)
	defer stop()
	var (
		rec ringbuf.Record
		e   event.Event

		packets packet.Decoder
	)
	rec.RawSample = make([]byte, 0, 64<<10) // more than the largest record
	boot, asked, handled := bootTime(), time.Now(), 0
	s.reader.SetDeadline(time.Unix(1, 0)) // it does not wait: the bell does
	read := false                         // since the last wait
	for {
		switch err := s.reader.ReadInto(&rec); {
		case err == nil:
			read = true
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
			if handled++; handled%(1<<10) == 0 { // a ring that is never empty must not keep an old clock, nor the reader
				boot, asked = bootTime(), time.Now()
				s.scanner.hand(handle)
				if ctx.Err() != nil {
					return nil
				}
			}
		case errors.Is(err, os.ErrDeadlineExceeded): // the ring is empty
			if ctx.Err() != nil {
				return nil
			}
			if err := s.bell.wait(ctx, !read); err != nil {
				return err
			}
			read = false
			if now := time.Now(); now.Sub(asked) > clockInterval {
				boot, asked = bootTime(), now
			}
			s.scanner.hand(handle)
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
