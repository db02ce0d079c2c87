package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, opts embedded.Options) *embedded.Server {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	s, err := embedded.Start(opts)
	must(t, err)
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t testing.TB, opts bus.Options, outputs ...string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(opts)
	must(t, err)
	t.Cleanup(b.Close)
	if opts.Server != nil {
		must(t, b.Ensure(t.Context(), bus.Streams{Outputs: outputs}))
	}
	return b
}

func secret() (string, error) { return "secret", nil }

func mk(i int) *finding.Finding {
	return &finding.Finding{ID: fmt.Sprintf("f-%06d", i), Time: time.Now(), Host: "node 1", Severity: finding.High, Rule: finding.Rule{ID: "r", Name: strings.Repeat("x", 800)}}
}

// receive collects n findings, and acknowledges them.
func receive(t testing.TB, b *bus.Bus, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c, err := b.Findings(ctx)
	must(t, err)
	defer c.Close()
	var got []string
	for len(got) < n {
		list, err := c.Next(ctx, 1000)
		if err != nil {
			t.Fatalf("%d of %d findings: %v", len(got), n, err)
		}
		for i := range list {
			got = append(got, list[i].Finding.ID)
			must(t, list[i].Ack())
		}
	}
	return got
}

func TestPublishInOrderAndOnce(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	p := b.NewPublisher(bus.PublisherOptions{Cluster: "eu", Host: "n"})
	for i := range 1200 {
		must(t, p.Publish(t.Context(), mk(i)))
		if i%100 == 0 { // a repeat makes the server refuse the batch it is in; nothing else may suffer
			must(t, p.Publish(t.Context(), mk(i)))
		}
	}
	must(t, p.Close(t.Context()))
	if err := p.Publish(t.Context(), mk(1)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	got := receive(t, b, 1200)
	for i, id := range got {
		if id != mk(i).ID {
			t.Fatalf("at %d: %s", i, id)
		}
	}
}

func TestOversizedFindingLosesItsEventOnly(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	p := b.NewPublisher(bus.PublisherOptions{})
	f := mk(1)
	f.Event = []byte(`"` + strings.Repeat("x", embedded.MaxPayload) + `"`)
	must(t, p.Store(t.Context(), f, mk(2)))
	must(t, p.Close(t.Context()))
	if got := receive(t, b, 2); len(got) != 2 || p.Stats().Oversized != 1 {
		t.Errorf("%v %+v", got, p.Stats())
	}
}

func TestUndecodableFindingGoesToTheDeadLetters(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	bus.PublishRaw(t, b, bus.FindingsSubject("", "node 1"), []byte(`{"id":`)) // in the partition of the other
	p := b.NewPublisher(bus.PublisherOptions{})
	must(t, p.Store(t.Context(), mk(1)))
	must(t, p.Close(t.Context()))
	receive(t, b, 1)
	d, err := b.DeadLetters(t.Context())
	must(t, err)
	defer d.Close()
	l, err := d.Next(t.Context())
	must(t, err)
	if !strings.Contains(l.Error, "decode finding") || string(l.Body) != `{"id":` {
		t.Errorf("%+v", l)
	}
}

// Who is refused is let in as soon as its token is right: nobody has to restart it.
func TestRefusedAndLetIn(t *testing.T) {
	srv := start(t, embedded.Options{Listen: "127.0.0.1:0", Token: "secret"})
	var right atomic.Bool
	var asked atomic.Int32
	b := connect(t, bus.Options{URL: srv.URL(), Token: func() (string, error) {
		asked.Add(1)
		if right.Load() {
			return "secret", nil
		}
		return "wrong", nil
	}})
	eventually(t, "refused several times", func() bool { return asked.Load() > 3 })
	if b.Connected() {
		t.Error("connected with a wrong token")
	}
	right.Store(true)
	must(t, b.Ensure(t.Context(), bus.Streams{}))
}

// A sensor of another process starts before the server, loses it, and gets it back.
func TestSpoolWhileTheServerIsAway(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	l.Close()
	opts := embedded.Options{Dir: dir, Listen: addr, Token: "secret"}

	sensor := connect(t, bus.Options{URL: "nats://" + addr, Token: secret})
	sp, err := bus.OpenSpool(t.TempDir(), 0)
	must(t, err)
	p := sensor.NewPublisher(bus.PublisherOptions{Spool: sp})
	n := 0
	publish := func(k int) {
		for range k {
			must(t, p.Publish(t.Context(), mk(n)))
			n++
		}
		must(t, p.Flush(t.Context()))
	}
	publish(300) // nobody there
	if p.Stats().Spooled != 300 || sp.Len() != 300 {
		t.Errorf("%+v, %d in the spool", p.Stats(), sp.Len())
	}
	run := func() (*embedded.Server, *bus.Bus) {
		s, err := embedded.Start(opts)
		must(t, err)
		b, err := bus.Connect(bus.Options{Server: s, Token: secret})
		must(t, err)
		must(t, b.Ensure(t.Context(), bus.Streams{}))
		return s, b
	}
	s, b := run()
	publish(300)
	eventually(t, "the spool is empty", func() bool { return sp.Len() == 0 })
	publish(300)
	b.Close()
	s.Shutdown()
	publish(300)
	s, b = run()
	defer s.Shutdown()
	defer b.Close()
	publish(300)
	eventually(t, "the spool is empty", func() bool { return sp.Len() == 0 })
	must(t, p.Close(t.Context()))
	must(t, sp.Close())
	got := receive(t, b, n)
	for i, id := range got {
		if id != mk(i).ID {
			t.Fatalf("at %d: %s", i, id)
		}
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for range 1500 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 15 s: %s", what)
}

// A full stream refuses; nothing that nobody has read is dropped.
func TestFullStreamRefuses(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	must(t, b.Ensure(t.Context(), bus.Streams{MaxBytes: 64 << 10}))
	sp, err := bus.OpenSpool(t.TempDir(), 0)
	must(t, err)
	p := b.NewPublisher(bus.PublisherOptions{Spool: sp, DrainRate: 100_000})
	for i := range 200 {
		must(t, p.Publish(t.Context(), mk(i)))
	}
	must(t, p.Flush(t.Context()))
	if sp.Len() == 0 {
		t.Fatal("64 KiB took 200 findings")
	}
	must(t, b.Ensure(t.Context(), bus.Streams{MaxBytes: 1 << 20})) // more room
	eventually(t, "the spool is empty", func() bool { return sp.Len() == 0 })
	if got := receive(t, b, 200); got[0] != mk(0).ID || got[199] != mk(199).ID {
		t.Error(got)
	}
	must(t, p.Close(t.Context()))
}

func TestSmallDisk(t *testing.T) {
	b, err := bus.Connect(bus.Options{Server: start(t, embedded.Options{MaxBytes: 100 << 20})})
	must(t, err)
	defer b.Close()
	must(t, b.Ensure(t.Context(), bus.Streams{Outputs: []string{"a", "b", "c", "d"}}))
	must(t, b.Ensure(t.Context(), bus.Streams{Outputs: []string{"a", "b", "c", "d", "e"}}))
	must(t, b.Ensure(t.Context(), bus.Streams{MaxBytes: 1 << 30}))

	tiny, err := bus.Connect(bus.Options{Server: start(t, embedded.Options{MaxBytes: 1 << 20})})
	must(t, err)
	defer tiny.Close()
	if err := tiny.Ensure(t.Context(), bus.Streams{}); err == nil || !strings.Contains(err.Error(), "nats.max_bytes") {
		t.Error(err)
	}
}

func TestListenNeedsASecret(t *testing.T) {
	if _, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"}); err == nil {
		t.Error("it listens without one")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, err = embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: l.Addr().String(), Token: "x"})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a port in use: %v", err)
	}
}

func TestStateAndTokens(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	s := b.State()
	if _, ok, err := s.Get(t.Context(), "soc.thread.a-1"); ok || err != nil {
		t.Error(ok, err)
	}
	must(t, s.Put(t.Context(), "soc.thread.a-1", []byte("17.1")))
	if v, ok, err := s.Get(t.Context(), "soc.thread.a-1"); !ok || err != nil || string(v) != "17.1" {
		t.Error(string(v), ok, err)
	}
	if got := bus.FindingsSubject("", "a.b *>"); got != "tocsin.findings.default.a_b___" {
		t.Error(got)
	}
	if err := b.Ensure(t.Context(), bus.Streams{Outputs: []string{"a.b", "a b"}}); err == nil {
		t.Error("two outputs share a queue")
	}
}

func BenchmarkPublish(bm *testing.B) {
	for name, o := range map[string]embedded.Options{"always": {}, "2m": {SyncInterval: 2 * time.Minute}} {
		bm.Run("sync="+name, func(bm *testing.B) {
			b := connect(bm, bus.Options{Server: start(bm, o)})
			must(bm, b.Ensure(bm.Context(), bus.Streams{MaxBytes: 10 << 30}))
			p := b.NewPublisher(bus.PublisherOptions{})
			i := 0
			for bm.Loop() {
				must(bm, p.Publish(bm.Context(), mk(i)))
				i++
			}
			must(bm, p.Close(bm.Context()))
			bm.ReportMetric(float64(i)/bm.Elapsed().Seconds(), "findings/s")
		})
	}
}
