package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

func dur(d time.Duration) *time.Duration { return &d }

// host is all of one host's router on real parts, that can be stopped and started again over the same files.
type host struct {
	t      *testing.T
	dir    string
	config router.Config

	srv  *embedded.Server
	bus  *bus.Bus
	st   *store.Store
	p    *Pipeline
	stop func()

	registry *prometheus.Registry
}

func (h *host) start() {
	h.t.Helper()
	var err error
	check := func(err error) {
		if err != nil {
			h.t.Helper()
			h.t.Fatal(err)
		}
	}
	h.srv, err = embedded.Start(embedded.Options{Dir: filepath.Join(h.dir, "nats")})
	check(err)
	h.bus, err = bus.Connect(bus.Options{Server: h.srv})
	check(err)
	h.st, err = store.Open(h.t.Context(), store.Options{SQLite: filepath.Join(h.dir, "alerts.db")})
	check(err)
	table, err := router.Compile(h.config)
	check(err)
	h.registry = prometheus.NewRegistry()
	h.p, err = New(h.t.Context(), table, Options{Bus: h.bus, Store: h.st, Registry: h.registry})
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.p.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		h.bus.Close()
		h.st.Close()
		h.srv.Shutdown()
	})
	h.t.Cleanup(h.stop)
}

func sample(i int, rule string) *finding.Finding {
	return &finding.Finding{
		ID: finding.NewID("h1", rule, time.Time{}, fmt.Append(nil, i)), Time: time.Now(), Host: "h1", Origin: "container", Severity: finding.High,
		Rule: finding.Rule{ID: rule, Name: "Rule " + rule}, Container: &finding.Container{ID: "c1"}, Message: "it happened",
	}
}

func (h *host) publish(list ...*finding.Finding) {
	h.t.Helper()
	p := h.bus.NewPublisher(bus.PublisherOptions{})
	if err := p.Store(h.t.Context(), list...); err != nil {
		h.t.Fatal(err)
	}
	if err := p.Close(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) next(q *Queue) *Delivery {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 60*time.Second)
	defer cancel()
	d, err := q.Next(ctx)
	if err != nil {
		h.t.Fatalf("no delivery: %v", err)
	}
	return d
}

func (h *host) queue(output string) *Queue {
	h.t.Helper()
	q, err := h.p.Deliveries(h.t.Context(), output, bus.QueueOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(q.Close)
	return q
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 2000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 20 s: %s", what)
}

func TestFindingBecomesAlertAndDeliveries(t *testing.T) {
	h := &host{t: t, dir: t.TempDir(), config: router.Config{
		Outputs: map[string]router.Output{"soc": {}, "siem": {}},
		Routes: []router.Route{
			{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true, Continue: true},
			{Name: "rest", Outputs: []string{"soc"}, Group: &router.Group{Wait: dur(200 * time.Millisecond)}},
		},
	}}
	h.start()
	soc, siem := h.queue("soc"), h.queue("siem")
	h.publish(sample(1, "a"), sample(2, "a"), sample(2, "a"))
	for range 2 {
		d := h.next(siem)
		if n := d.Notification(); n.Kind != finding.KindFinding || len(n.Findings) != 1 {
			t.Errorf("%+v", n)
		}
		d.Ack()
	}
	d := h.next(soc)
	n := d.Notification()
	if n.Kind != finding.KindAlert || n.Alert.Count != 2 || len(n.Findings) != 2 || n.Alert.Rule.ID != "a" {
		t.Errorf("%+v", n)
	}
	if err := d.Retry(50*time.Millisecond, fmt.Errorf("503 from the receiver")); err != nil {
		t.Fatal(err)
	}
	again := h.next(soc)
	if again.Attempt() != 1 || again.Notification().ID != n.ID {
		t.Errorf("attempt %d, id %s, want %s", again.Attempt(), again.Notification().ID, n.ID)
	}
	again.Ack()

	list, next, err := h.st.Alerts(t.Context(), store.Filter{}, store.Page{Limit: 10})
	if err != nil || len(list) != 1 || next != "" || list[0].Count != 2 || list[0].Finding == nil || list[0].ID != n.Alert.ID {
		t.Fatalf("%v %+v", err, list)
	}
	eventually(t, "the delivery is recorded", func() bool {
		ds, err := h.st.Deliveries(t.Context(), list[0].ID, 10)
		return err == nil && len(ds) == 1 && ds[0].Status == store.Delivered && ds[0].Attempts == 2
	})
	fs, _, err := h.st.AlertFindings(t.Context(), list[0].ID, store.Page{Limit: 10})
	if err != nil || len(fs) != 2 {
		t.Errorf("%v %d findings", err, len(fs))
	}
}

func TestRestartLosesNothing(t *testing.T) {
	h := &host{t: t, dir: t.TempDir(), config: router.Config{
		Outputs: map[string]router.Output{"soc": {}, "siem": {}},
		Routes: []router.Route{
			{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true, Continue: true},
			{Name: "rest", Outputs: []string{"soc"}, Group: &router.Group{By: []string{"rule"}, Wait: dur(time.Second)}},
		},
	}}
	h.start()
	const rounds, each = 4, 50
	seen := map[string]bool{}
	alerts := map[string]bool{}
	for round := range rounds {
		var list []*finding.Finding
		for i := range each {
			list = append(list, sample(round*each+i, fmt.Sprintf("rule%d", round)))
		}
		h.publish(list...)
		h.stop() // in the middle of it
		h.start()
	}
	siem, soc := h.queue("siem"), h.queue("soc")
	for len(seen) < rounds*each {
		d := h.next(siem)
		seen[d.Notification().Findings[0].ID] = true
		d.Ack()
	}
	for len(alerts) < rounds {
		d := h.next(soc)
		if d.Notification().Kind == finding.KindAlert {
			alerts[d.Notification().Alert.ID] = true
		}
		d.Ack()
	}
	list, _, err := h.st.Alerts(t.Context(), store.Filter{}, store.Page{Limit: 10})
	if err != nil || len(list) != rounds {
		t.Fatalf("%v, %d alerts", err, len(list))
	}
	for _, a := range list {
		if a.Count != each {
			t.Errorf("%s counts %d", a.Rule.ID, a.Count)
		}
	}
}

func TestRemovedOutput(t *testing.T) {
	h := &host{t: t, dir: t.TempDir(), config: router.Config{
		Outputs: map[string]router.Output{"soc": {}, "old one": {}},
		Routes:  []router.Route{{Name: "r", Outputs: []string{"soc", "old one"}, Group: &router.Group{Wait: dur(0)}}},
	}}
	h.start()
	h.publish(sample(1, "a"))
	q := h.queue("old one")
	d := h.next(q)
	d.Retry(0, nil)
	q.Close()
	table, err := router.Compile(router.Config{Outputs: map[string]router.Output{"soc": {}}, Routes: []router.Route{{Name: "r", Outputs: []string{"soc"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.p.Reload(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	orphans, err := h.p.Orphans(t.Context())
	if err != nil || len(orphans) != 1 || orphans["old_one"] != 1 {
		t.Errorf("%v %v", err, orphans)
	}
	if n, err := h.p.Discard(t.Context(), "old one", "me"); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if orphans, err = h.p.Orphans(t.Context()); len(orphans) != 0 || err != nil {
		t.Errorf("%v %v", err, orphans)
	}
	families, err := h.registry.Gather()
	if err != nil {
		t.Error(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, want := range []string{"tocsin_router_findings_total", "tocsin_router_queue_notifications", "tocsin_router_deliveries_total"} {
		if !names[want] {
			t.Errorf("no metric %s in %v", want, names)
		}
	}
}

func TestDeadLetterAndBack(t *testing.T) {
	h := &host{t: t, dir: t.TempDir(), config: router.Config{
		Outputs: map[string]router.Output{"soc": {}},
		Routes:  []router.Route{{Name: "r", Outputs: []string{"soc"}, Group: &router.Group{Wait: dur(0)}}},
	}}
	h.start()
	soc := h.queue("soc")
	h.publish(sample(1, "a"))
	d := h.next(soc)
	id := d.Notification().ID
	if err := d.Dead(fmt.Errorf("gone: 410")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead letter is in the store", func() bool {
		l, err := h.st.DeadLetters(t.Context(), "soc", "", 10)
		return err == nil && len(l) == 1 && l[0].Error == "gone: 410" && l[0].ID == id
	})
	if n, err := h.st.Revive(t.Context(), "soc", []string{id}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	d = h.next(soc)
	if d.Notification().ID != id || d.Notification().Alert == nil {
		t.Errorf("%+v", d.Notification())
	}
	d.Ack()
	eventually(t, "it is delivered", func() bool {
		l, _ := h.st.Deliveries(t.Context(), d.Notification().Alert.ID, 10)
		return len(l) == 1 && l[0].Status == store.Delivered
	})
}
