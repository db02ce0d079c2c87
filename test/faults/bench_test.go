package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

const (
	paced       = 500 // findings a second
	pacedFor    = 20 * time.Second
	senders     = 16
	batches     = 40 // of each sender
	warmUp      = 12
	batchLength = 100
)

// BenchmarkRouter measures the router alone, from publish to the receiver: 500 findings a second, and as many as it takes.
// The relay beside it is the least that a forwarder over HTTP can be: it keeps nothing. "make bench-router" runs it.
func BenchmarkRouter(b *testing.B) {
	b.Run("paced", func(b *testing.B) { benchPaced(b, newWorld(b, options{lean: true})) })
	b.Run("paced-relay", func(b *testing.B) { benchPaced(b, newRelayWorld(b)) })
	b.Run("unpaced", func(b *testing.B) { benchUnpaced(b, newWorld(b, options{lean: true})) })
	b.Run("unpaced-relay", func(b *testing.B) { benchUnpaced(b, newRelayWorld(b)) })
	b.Run("unpaced-sync-always", func(b *testing.B) { benchUnpaced(b, newWorld(b, options{lean: true, syncAlways: true})) })
}

func benchPaced(b *testing.B, w *world) {
	w.prepare(warmUp)()
	w.drain(30 * time.Second)
	for b.Loop() {
		before, stop := w.snapshot(), w.meter(b)
		w.publish(paced, pacedFor)
		w.drain(60 * time.Second)
		stop()
		lat := w.latencies(before)
		metric(b, lat, .5, "p50-ms")
		metric(b, lat, .99, "p99-ms")
	}
}

func benchUnpaced(b *testing.B, w *world) {
	w.prepare(warmUp)()
	w.drain(30 * time.Second)
	for b.Loop() {
		send := w.prepare(batches)
		n, start, stop := len(w.accepted), time.Now(), w.meter(b)
		send()
		took, alerts := time.Since(start), len(w.accepted)-n
		w.drain(60 * time.Second)
		stop()
		b.ReportMetric(float64(alerts)/took.Seconds(), "accepted/s")
		b.ReportMetric(float64(alerts)/w.sink.last().Sub(start).Seconds(), "delivered/s")
	}
}

// prepare makes findings beforehand, since that is the sensors' work. send sends them, so many batches of each sender, as fast as they
// are taken. A warm-up of it lets caches and heap grow to where they stay: that costs a process that runs for seconds a tenth of its time.
func (w *world) prepare(batches int) (send func()) {
	made := make(chan []*finding.Finding, senders*batches)
	for range senders * batches {
		made <- w.make(batchLength)
	}
	close(made)
	return func() {
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for batch := range made {
					w.store(context.Background(), batch)
				}
			})
		}
		wg.Wait()
	}
}

// meter starts to count what the programs cost; stop reports it per 10,000 alerts. It fails if something is missing.
func (w *world) meter(b *testing.B) (stop func()) {
	type usage struct{ program, nats, rest time.Duration }
	use := func() (u usage) {
		u.program = w.router.CPU()
		if w.nats != nil {
			u.nats = w.nats.CPU()
		}
		var r syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
			u.rest = time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
		return u
	}
	before, n := use(), len(w.accepted)
	return func() {
		b.Helper()
		after := use()
		each := 1e4 / float64(len(w.accepted)-n)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric((after.program-before.program).Seconds()*each, "cpu-s/10k")
		b.ReportMetric((after.nats-before.nats).Seconds()*each, "nats-cpu-s/10k")
		b.ReportMetric((after.rest-before.rest).Seconds()*each, "sender+receiver-cpu-s/10k")
		_, peak := w.router.Memory()
		b.ReportMetric(float64(peak>>20), "MiB")
		if missing := w.missing(); missing > 0 {
			b.Fatalf("%d findings did not arrive", missing)
		}
		load, _ := os.ReadFile("/proc/loadavg")
		b.Logf("%d CPUs, load average %s", runtime.NumCPU(), strings.Fields(string(load))[0])
	}
}

// newRelayWorld is a world in which findings are posted one by one to a relay, which posts them to the receiver.
func newRelayWorld(b *testing.B) *world {
	w := &world{t: b, accepted: map[string]time.Time{}, sink: newLeanSink(b)}
	var url string
	w.router, url = harness.NewRelay(b, "http://"+w.sink.addr+"/")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	w.send = func(ctx context.Context, list ...*finding.Finding) error {
		for _, f := range list {
			body, err := json.Marshal(f)
			if err != nil {
				return err
			}
			resp, err := client.Post(url, "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return nil
	}
	return w
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
