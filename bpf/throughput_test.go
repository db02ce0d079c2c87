package bpf

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// An emitter is a BPF program that writes one record over and over into the sensor's ring, as the sensor's own programs do: with
// the time at which it was written, and waking the reader when it is urgent or when a quarter of the ring is full. The kernel
// runs it as often as it is told in one system call, which no traced process could keep up with.
type emitter struct {
	prog   *ebpf.Program
	counts *ebpf.Map
	record int // bytes
}

func newEmitter(b testing.TB, s *Sensor, urgent bool) *emitter {
	ev := event.New(event.ByName("security_file_open"))
	ev.Header().SetComm("nginx")
	ev.SetHost("node-1")
	if urgent {
		ev.Header().Flags |= event.FlagUrgent
	}
	for name, v := range map[string]any{"pathname": "/var/lib/app/cache/ab/cd/0123456789", "flags": "O_RDONLY", "inode": uint64(4711), "syscall_pathname": "cache/0123456789"} {
		if err := ev.Set(name, v); err != nil {
			b.Fatal(err)
		}
	}
	rec := ev.Event().AppendRecord(nil)
	size := (len(rec) + 7) &^ 7
	newMap := func(name string, value uint32) *ebpf.Map {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: value, MaxEntries: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close() })
		return m
	}
	record, counts := newMap("record", uint32(size)), newMap("counts", 24)
	if err := record.Put(uint32(0), append(rec, make([]byte, size-len(rec))...)); err != nil {
		b.Fatal(err)
	}
	ring := s.loader.maps["ring"]
	lookup := func(m *ebpf.Map, into asm.Register) asm.Instructions {
		return asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 0, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "end"), asm.Mov.Reg(into, asm.R0),
		}
	}
	const noWakeup, forceWakeup, availableData = 1, 2, 0
	in := append(lookup(record, asm.R6), lookup(counts, asm.R7)...)
	in = append(in,
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R7, asm.R1, asm.DWord), asm.Add.Imm(asm.R7, 8),
		asm.FnKtimeGetBootNs.Call(), asm.StoreMem(asm.R6, int16(unsafe.Offsetof(event.Header{}.Timestamp)), asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, ring.FD()), asm.Mov.Imm(asm.R2, availableData), asm.FnRingbufQuery.Call(),
		asm.Mov.Imm(asm.R4, forceWakeup), asm.JGT.Imm(asm.R0, int32(ring.MaxEntries()/4), "output"),
	)
	if !urgent {
		in = append(in, asm.Mov.Imm(asm.R4, noWakeup))
	}
	in = append(in,
		asm.LoadMapPtr(asm.R1, ring.FD()).WithSymbol("output"), asm.Mov.Reg(asm.R2, asm.R6), asm.Mov.Imm(asm.R3, int32(size)), asm.FnRingbufOutput.Call(),
		asm.Mov.Imm(asm.R1, 1), asm.JNE.Imm(asm.R0, 0, "lost"),
		asm.StoreXAdd(asm.R7, asm.R1, asm.DWord), asm.Mov.Imm(asm.R0, 0), asm.Return(),
		asm.Add.Imm(asm.R7, 8).WithSymbol("lost"), asm.StoreXAdd(asm.R7, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "emitter", Type: ebpf.SocketFilter, License: "GPL", Instructions: in})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { prog.Close() })
	return &emitter{prog, counts, size}
}

func (m *emitter) emit(b testing.TB, n int) {
	for n > 0 {
		k := min(n, 1<<16)
		if _, err := m.prog.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: uint32(k)}); err != nil {
			b.Fatal(err)
		}
		n -= k
	}
}

// counted returns how many records should go into the ring, how many did, and how many found it full. They are more than emit was
// told where a signal has made the system call start anew.
func (m *emitter) counted(b *testing.B) (attempted, emitted, lost uint64) {
	var c [3]uint64
	if err := m.counts.Lookup(uint32(0), &c); err != nil {
		b.Fatal(err)
	}
	return c[0], c[1], c[2]
}

// threadTime is what the calling thread has used, user and system.
func threadTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A consumer reads a ring on a thread of its own until it is stopped.
type consumer struct {
	read atomic.Uint64
	cpu  atomic.Int64
	stop func()
}

// consume reads with run, which calls its argument for each record.
func consume(b *testing.B, run func(ctx context.Context, each func(*event.Event)) error, each func(*event.Event)) *consumer {
	c := &consumer{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := threadTime()
		err := run(ctx, func(e *event.Event) {
			c.read.Add(1)
			each(e)
		})
		c.cpu.Store(int64(threadTime() - began))
		done <- err
	}()
	c.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	return c
}

func (c *consumer) wait(b *testing.B, n uint64) {
	for deadline := time.Now().Add(30 * time.Second); c.read.Load() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d records came out of the ring", c.read.Load(), n)
		}
	}
}

// bare is the baseline: the library's reader, which copies each record and looks at none.
func bare(s *Sensor) func(context.Context, func(*event.Event)) error {
	return func(ctx context.Context, each func(*event.Event)) error {
		rec := ringbuf.Record{RawSample: make([]byte, 0, 64<<10)}
		for {
			s.reader.SetDeadline(time.Now().Add(pollInterval))
			for {
				err := s.reader.ReadInto(&rec)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					return err
				}
				each(nil)
			}
			if ctx.Err() != nil {
				return nil
			}
		}
	}
}

func openQuiet(b testing.TB) *Sensor {
	s, err := Open(Options{Features: testFeatures(b), RingBytes: 4 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := errors.Join(s.detach(nil)...); err != nil { // the ring is the emitter's alone
		b.Fatal(err)
	}
	return s
}

// Bursts of two thirds of the ring, one after the other: from the first record written to the last one decoded.
func BenchmarkBurst(b *testing.B) {
	for _, c := range []struct {
		name string
		run  func(*Sensor) func(context.Context, func(*event.Event)) error
	}{{"bare reader", bare}, {"decoded", func(s *Sensor) func(context.Context, func(*event.Event)) error { return s.Run }}} {
		b.Run(c.name, func(b *testing.B) {
			s := openQuiet(b)
			m := newEmitter(b, s, false)
			burst := (4 << 20) * 2 / 3 / (m.record + 8)
			reader := consume(b, c.run(s), func(*event.Event) {})
			began := time.Now()
			var sent, lost uint64
			for left := b.N; left > 0; left -= burst {
				m.emit(b, min(left, burst))
				_, sent, lost = m.counted(b)
				reader.wait(b, sent)
			}
			took := time.Since(began)
			b.StopTimer()
			reader.stop()
			b.ReportMetric(float64(lost), "lost")
			b.ReportMetric(float64(sent)/took.Seconds()/1e6, "M/s")
			b.ReportMetric(float64(reader.cpu.Load())/float64(sent), "cpu-ns/event")
			b.ReportMetric(float64(m.record), "B/event")
		})
	}
}

// paced is how long a rate is kept up: "-args" of the benchmark's own do not go through vmtest, so it is an environment variable.
func paced() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("TOCSIN_PACED")); err == nil {
		return d
	}
	return 2 * time.Second
}

// 100,000 events a second, a hundred of them urgent: what the reader costs, what is lost, and how old events are when they have
// been decoded. TOCSIN_PACED=60s keeps it up for a minute.
func BenchmarkPaced(b *testing.B) {
	const perTick, tick = 100, time.Millisecond
	for _, c := range []struct {
		name string
		run  func(*Sensor) func(context.Context, func(*event.Event)) error
	}{{"bare reader", bare}, {"decoded", func(s *Sensor) func(context.Context, func(*event.Event)) error { return s.Run }}} {
		b.Run(c.name, func(b *testing.B) {
			s := openQuiet(b)
			m, urgent := newEmitter(b, s, false), newEmitter(b, s, true)
			ages, urgentAges := make([]uint64, 0, 1<<20), make([]uint64, 0, 1<<16)
			count := 0
			reader := consume(b, c.run(s), func(e *event.Event) {
				if e == nil {
					return
				}
				if count++; e.Flags&event.FlagUrgent == 0 && count%16 != 0 {
					return
				}
				age := uint64(time.Now().UnixNano()) - e.Timestamp
				switch {
				case e.Flags&event.FlagUrgent != 0 && len(urgentAges) < cap(urgentAges):
					urgentAges = append(urgentAges, age)
				case len(ages) < cap(ages):
					ages = append(ages, age)
				}
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			for ticks := 0; time.Since(began) < paced(); {
				due := int(time.Since(began)/tick) - ticks
				if due == 0 {
					time.Sleep(tick / 4)
					continue
				}
				m.emit(b, due*perTick)
				if ticks/10 != (ticks+due)/10 {
					urgent.emit(b, 1)
				}
				ticks += due
			}
			took := time.Since(began)
			a1, e1, l1 := m.counted(b)
			a2, e2, l2 := urgent.counted(b)
			reader.wait(b, e1+e2)
			runtime.ReadMemStats(&after)
			reader.stop()
			if a1+a2 != e1+e2+l1+l2 || reader.read.Load() < e1+e2 {
				b.Errorf("attempted %d, emitted %d, lost %d, read %d", a1+a2, e1+e2, l1+l2, reader.read.Load())
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(a1+a2)/took.Seconds(), "events/s")
			b.ReportMetric(float64(l1+l2), "lost")
			b.ReportMetric(float64(reader.cpu.Load())/float64(e1+e2), "cpu-ns/event")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(e1+e2), "allocs/event") // those of the emitter are in it
			for name, list := range map[string][]uint64{"ms-p99": ages, "ms-p99-urgent": urgentAges} {
				if slices.Sort(list); len(list) > 0 {
					b.ReportMetric(float64(list[len(list)*99/100])/1e6, name)
				}
			}
		})
	}
}
