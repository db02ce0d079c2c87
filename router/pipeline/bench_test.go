package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
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

// BenchmarkPipeline is findings from the publisher through NATS and SQLite, both with an fsync before each
// acknowledgement, into the queue of an output that gets each of them, until all are acknowledged there.
func BenchmarkPipeline(b *testing.B) {
	for _, alerts := range []int{10, 1000} {
		b.Run(fmt.Sprintf("alerts=%d", alerts), func(b *testing.B) {
			dir := b.TempDir()
			srv, err := embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats")})
			if err != nil {
				b.Fatal(err)
			}
			defer srv.Shutdown()
			bs, err := bus.Connect(bus.Options{Server: srv})
			if err != nil {
				b.Fatal(err)
			}
			defer bs.Close()
			st, err := store.Open(b.Context(), store.Options{SQLite: filepath.Join(dir, "a.db")})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			table, err := router.Compile(router.Config{
				Outputs: map[string]router.Output{"siem": {}, "soc": {}},
				Routes: []router.Route{
					{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true, Continue: true},
					{Name: "rest", Outputs: []string{"soc"}},
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			p, err := New(b.Context(), table, Options{Bus: bs, Store: st})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- p.Run(ctx) }()
			q, err := p.Deliveries(ctx, "siem")
			if err != nil {
				b.Fatal(err)
			}
			pub := bs.NewPublisher(bus.PublisherOptions{})
			args := strings.Repeat("/usr/bin/something --with=args ", 10)
			started := cpu()
			b.ResetTimer()
			go func() {
				for i := range b.N {
					rule := fmt.Sprintf("rule%d", i%alerts)
					pub.Publish(b.Context(), &finding.Finding{
						ID: finding.NewID("h1", rule, fmt.Append(nil, i)), Time: time.Now(), Host: "h1", Origin: "container", Severity: finding.High,
						Rule: finding.Rule{ID: rule, Name: "Rule " + rule, Description: "what it is about"}, Container: &finding.Container{ID: "c1"},
						Process: &finding.Process{PID: 1, Name: "sh", Executable: "/bin/sh"}, Event: []byte(`{"args":"` + args + `"}`),
					})
				}
			}()
			for range b.N {
				d, err := q.Next(ctx)
				if err != nil {
					b.Fatal(err)
				}
				d.Ack()
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "findings/s")
			b.ReportMetric(float64((cpu()-started).Microseconds())/float64(b.N), "cpu-µs/finding")
			pub.Close(b.Context())
			q.Close()
			cancel()
			<-done
		})
	}
}
