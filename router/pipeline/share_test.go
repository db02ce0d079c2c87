package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
	"github.com/tocsin-io/tocsin/store/storetest"
)

// Two routers on one NATS server and one PostgreSQL; one of them is cut off in the middle of its work.
func TestRoutersShareTheWork(t *testing.T) {
	dsn := storetest.Postgres(t)
	srv, err := embedded.Start(embedded.Options{Dir: filepath.Join(t.TempDir(), "nats")})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Shutdown()
	table, err := router.Compile(router.Config{
		Outputs: map[string]router.Output{"soc": {}, "siem": {}},
		Routes: []router.Route{
			{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true, Continue: true},
			{Name: "rest", Outputs: []string{"soc"}, Group: &router.Group{By: []string{"rule"}, Wait: dur(100 * time.Millisecond), Window: dur(time.Second)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	start := func() (*bus.Bus, *store.Store, *Pipeline, context.CancelFunc, chan error) {
		b, err := bus.Connect(bus.Options{Server: srv})
		if err != nil {
			t.Fatal(err)
		}
		st, err := store.Open(t.Context(), store.Options{Postgres: dsn})
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(t.Context(), table, Options{Bus: b, Store: st})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		return b, st, p, cancel, done
	}
	b1, st1, _, cancel1, done1 := start()
	b2, st2, p2, cancel2, done2 := start()

	const n, rules = 3000, 7
	pub := b2.NewPublisher(bus.PublisherOptions{})
	for i := range n {
		if i == n/2 {
			b1.Close() // what it had in hand, it can't acknowledge
		}
		if err := pub.Publish(t.Context(), sample(i, fmt.Sprint("rule", i%rules))); err != nil {
			t.Fatal(err)
		}
	}
	if err := pub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel1()
	<-done1
	st1.Close()

	siem, err := p2.Deliveries(t.Context(), "siem", bus.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	soc, err := p2.Deliveries(t.Context(), "soc", bus.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	seen := map[string]string{} // finding → notification
	for len(seen) < n {
		d, err := siem.Next(ctx)
		if err != nil {
			t.Fatalf("%d of %d findings delivered: %v", len(seen), n, err)
		}
		x := d.Notification()
		if id, ok := seen[x.Findings[0].ID]; ok && id != x.ID {
			t.Errorf("%s came again with another id", x.Findings[0].ID)
		}
		seen[x.Findings[0].ID] = x.ID
		d.Ack()
	}
	// The people's output tells of all findings, each update once.
	told := map[string]uint64{}
	for {
		d, err := soc.Next(ctx)
		if err != nil {
			t.Fatalf("told of %v: %v", told, err)
		}
		x := d.Notification()
		if x.Kind == finding.KindAlert || x.Kind == finding.KindUpdate {
			told[x.Alert.Rule.ID] += uint64(len(x.Findings)) + x.Omitted
		}
		d.Ack()
		sum := uint64(0)
		for _, k := range told {
			sum += k
		}
		if sum > n {
			t.Fatalf("told of more than there is: %v", told)
		}
		if sum == n {
			break
		}
	}
	list, _, err := st2.Alerts(t.Context(), store.Filter{}, store.Page{Limit: 100})
	if err != nil || len(list) != rules {
		t.Fatalf("%v, %d alerts", err, len(list))
	}
	sum := uint64(0)
	for _, a := range list {
		sum += a.Count
	}
	if sum != n {
		t.Errorf("%d findings counted, want %d", sum, n)
	}
	siem.Close()
	soc.Close()
	cancel2()
	if err := <-done2; err != nil {
		t.Error(err)
	}
	b2.Close()
	st2.Close()
}
