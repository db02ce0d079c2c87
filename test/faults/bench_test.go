package faults

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkRouter measures the router alone, from publish to the receiver: 500 findings a
// second, and as many as it takes. "make bench-router" runs it.
func BenchmarkRouter(b *testing.B) {
	b.Run("paced", func(b *testing.B) {
		w := newWorld(b, options{})
		const rate, length = 500, 20 * time.Second
		w.publish(rate, time.Second)
		w.drain(30 * time.Second)
		for b.Loop() {
			before, cpu, n := w.snapshot(), w.router.CPU(), len(w.accepted)
			w.publish(rate, length)
			w.drain(60 * time.Second)
			lat := w.latencies(before)
			metric(b, lat, .5, "p50-ms")
			metric(b, lat, .99, "p99-ms")
			alerts := len(w.accepted) - n
			b.ReportMetric((w.router.CPU()-cpu).Seconds()/float64(alerts)*1e4, "cpu-s/10k")
			b.ReportMetric(0, "ns/op")
			w.finish(b)
		}
	})
	b.Run("unpaced", func(b *testing.B) {
		const senders, batches, size = 16, 40, 100
		w := newWorld(b, options{})
		w.publish(500, time.Second)
		w.drain(30 * time.Second)
		for b.Loop() {
			cpu, n, start := w.router.CPU(), len(w.accepted), time.Now()
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					for range batches {
						w.store(context.Background(), w.make(size))
					}
				})
			}
			wg.Wait()
			took := time.Since(start)
			alerts := len(w.accepted) - n
			w.drain(60 * time.Second)
			b.ReportMetric(float64(alerts)/took.Seconds(), "accepted/s")
			b.ReportMetric(float64(alerts)/w.sink.last().Sub(start).Seconds(), "delivered/s")
			b.ReportMetric((w.router.CPU()-cpu).Seconds()/float64(alerts)*1e4, "cpu-s/10k")
			b.ReportMetric(0, "ns/op")
			w.finish(b)
		}
	})
}

// finish reports memory and fails if something is missing.
func (w *world) finish(b *testing.B) {
	_, peak := w.router.Memory()
	b.ReportMetric(float64(peak>>20), "MiB")
	if missing := w.missing(); missing > 0 {
		b.Fatalf("%d findings did not arrive", missing)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	b.Logf("%d CPUs, load average %s", runtime.NumCPU(), strings.Fields(string(load))[0])
}

// snapshot is the set of findings that were accepted so far.
func (w *world) snapshot() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	set := make(map[string]bool, len(w.accepted))
	for id := range w.accepted {
		set[id] = true
	}
	return set
}

// latencies are the times from publish to receipt of what is not in before, in order.
func (w *world) latencies(before map[string]bool) (lat []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	for id, at := range w.accepted {
		if got := w.sink.got[id]; !before[id] && len(got) > 0 {
			lat = append(lat, got[0].at.Sub(at))
		}
	}
	slices.Sort(lat)
	return lat
}

func metric(b *testing.B, lat []time.Duration, q float64, name string) {
	b.Helper()
	if len(lat) == 0 {
		b.Fatal("nothing arrived")
	}
	b.ReportMetric(lat[min(len(lat)-1, int(q*float64(len(lat))))].Seconds()*1000, name)
}

// last is the time of the newest delivery.
func (s *sink) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}
