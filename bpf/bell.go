package bpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

const (
	// pollInterval bounds how long an event that is not urgent waits in the ring while there are some. Waking the reader for
	// each event would cost the observed process more than everything else.
	pollInterval = 8 * time.Millisecond
	// sleepInterval is how long the reader sleeps when nothing happened in the last interval. The first event wakes it, at once if it
	// is urgent; the interval bounds how long another one waits that came while the reader asked for that.
	sleepInterval = 128 * time.Millisecond
)

// A bell is what the kernel rings when a record should not wait in the ring. Waiting for it is left to Go's poller: a thread that waits
// in a system call keeps the runtime's monitor awake, which was most of what an idle sensor cost.
type bell struct {
	ring   *os.File
	conn   syscall.RawConn
	reader *ringbuf.Reader
	state  *ebpf.Memory // reader_sleeps of sensor.h
	sleeps atomic.Uint32

	// Of the wait in progress; there is one reader.
	ctx     context.Context
	asleep  bool
	waiting bool
	ready   func(uintptr) bool
}

func newBell(ring, state *ebpf.Map, reader *ringbuf.Reader) (*bell, error) {
	b := &bell{reader: reader}
	var err error
	if b.state, err = state.Memory(); err != nil {
		return nil, fmt.Errorf("map the state of the reader: %w", err)
	}
	fd, err := unix.FcntlInt(uintptr(ring.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate the ring's descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile gives such a descriptor to the poller
		return nil, errors.Join(fmt.Errorf("ring's descriptor: %w", err), unix.Close(fd))
	}
	b.ring = os.NewFile(uintptr(fd), "ring")
	if b.conn, err = b.ring.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("ring's descriptor: %w", err), b.ring.Close())
	}
	b.ready = func(uintptr) bool {
		if b.waiting || b.ctx.Err() != nil {
			return true
		}
		b.waiting = true
		if b.asleep && b.askToWake() != nil {
			return true
		}
		// The poller has just forgotten whatever rang before this wait: its record is in the ring.
		return b.reader.AvailableBytes() > 0
	}
	return b, nil
}

// wait returns when the bell rings, the interval is over or ctx is done. With asleep, any record rings it.
func (b *bell) wait(ctx context.Context, asleep bool) error {
	b.ctx, b.asleep, b.waiting = ctx, asleep, false
	interval := pollInterval
	if asleep {
		interval = sleepInterval
	}
	err := b.ring.SetReadDeadline(time.Now().Add(interval))
	if err == nil {
		err = b.conn.Read(b.ready)
	}
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case errors.Is(err, os.ErrClosed):
		return os.ErrClosed
	}
	return fmt.Errorf("wait for the ring: %w", err)
}

// askToWake has the next record ring the bell, even if it is not urgent.
func (b *bell) askToWake() error {
	_, err := b.state.WriteAt([]byte{1, 0, 0, 0}, 0)
	b.sleeps.Add(1) // a barrier: the write above is seen before the ring is looked at
	return err
}

// interrupt ends a wait whose context is done.
func (b *bell) interrupt() {
	b.ring.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed one waits no more
}

func (b *bell) close() error { return b.ring.Close() }
