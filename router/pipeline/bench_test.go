package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bench starts a router on real parts that gives output siem each finding and output soc the alerts.
func bench(b *testing.B) (*bus.Bus, *Queue) {
	dir := b.TempDir()
	check := func(err error) {
		if err != nil {
			b.Helper()
			b.Fatal(err)
		}
	}
	srv, err := embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats")})
	check(err)
	bs, err := bus.Connect(bus.Options{Server: srv})
	check(err)
	st, err := store.Open(b.Context(), store.Options{SQLite: filepath.Join(dir, "a.db")})
	check(err)
	table, err := router.Compile(router.Config{
		Outputs: map[string]router.Output{"siem": {}, "soc": {}},
		Routes: []router.Route{
			{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true, Continue: true},
			{Name: "rest", Outputs: []string{"soc"}},
		},
	})
	check(err)
	p, err := New(b.Context(), table, Options{Bus: bs, Store: st})
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	q, err := p.Deliveries(ctx, "siem", bus.QueueOptions{})
	check(err)
	b.Cleanup(func() {
		q.Close()
		cancel()
		<-done
		bs.Close()
		st.Close()
		srv.Shutdown()
	})
	return bs, q
}

var args = strings.Repeat("/usr/bin/something --with=args ", 10)

func benchFinding(i, alerts int) *finding.Finding {
	rule := fmt.Sprintf("rule%d", i%alerts)
	return &finding.Finding{
		ID: finding.NewID("h1", rule, time.Time{}, fmt.Append(nil, i)), Time: time.Now(), Host: "h1", Origin: "container", Severity: finding.High,
		Rule: finding.Rule{ID: rule, Name: "Rule " + rule, Description: "what it is about"}, Container: &finding.Container{ID: "c1"},
		Process: &finding.Process{PID: 1, Name: "sh", Executable: "/bin/sh"}, Event: []byte(`{"args":"` + args + `"}`),
	}
}

// BenchmarkPipeline is findings from the publisher through NATS and SQLite, both with an fsync before each
// acknowledgement, into the queue of an output that gets each of them, until all are acknowledged there.
func BenchmarkPipeline(b *testing.B) {
	for _, alerts := range []int{10, 1000} {
		b.Run(fmt.Sprintf("alerts=%d", alerts), func(b *testing.B) {
			bs, q := bench(b)
			pub := bs.NewPublisher(bus.PublisherOptions{})
			started := cpu()
			b.ResetTimer()
			go func() {
				for i := range b.N {
					pub.Publish(b.Context(), benchFinding(i, alerts))
				}
			}()
			for range b.N {
				d, err := q.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				d.Ack()
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "findings/s")
			b.ReportMetric(float64((cpu()-started).Microseconds())/float64(b.N), "cpu-µs/finding")
			pub.Close(b.Context())
		})
	}
}

// BenchmarkLatency is the time from Publish to the delivery at 500 findings a second.
func BenchmarkLatency(b *testing.B) {
	bs, q := bench(b)
	pub := bs.NewPublisher(bus.PublisherOptions{})
	sent := make([]time.Time, b.N)
	index := make(map[string]int, b.N)
	list := make([]*finding.Finding, b.N)
	for i := range list {
		list[i] = benchFinding(i, 10)
		index[list[i].ID] = i
	}
	started := cpu()
	b.ResetTimer()
	var mu sync.Mutex
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i, f := range list {
			<-tick.C
			mu.Lock()
			sent[i] = time.Now()
			mu.Unlock()
			pub.Publish(b.Context(), f)
		}
	}()
	took := make([]time.Duration, 0, b.N)
	for range b.N {
		d, err := q.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		mu.Lock()
		took = append(took, time.Since(sent[index[d.Notification().Findings[0].ID]]))
		mu.Unlock()
		d.Ack()
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64((cpu()-started).Microseconds())/float64(b.N), "cpu-µs/finding")
	pub.Close(b.Context())
}
