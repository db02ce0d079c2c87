package bus_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
)

const (
	drainURL = "TOCSIN_TEST_DRAIN_URL"
	drainDir = "TOCSIN_TEST_DRAIN_DIR"
)

// TestDrainHelper is the process that TestKilledWhileDraining kills.
func TestDrainHelper(t *testing.T) {
	if os.Getenv(drainURL) == "" {
		t.Skip("runs as a process of TestKilledWhileDraining")
	}
	sp, err := bus.OpenSpool(os.Getenv(drainDir), 0)
	must(t, err)
	b, err := bus.Connect(bus.Options{URL: os.Getenv(drainURL), Token: secret})
	must(t, err)
	p := b.NewPublisher(bus.PublisherOptions{Spool: sp})
	for sp.Len() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	must(t, p.Close(t.Context()))
	must(t, sp.Close())
}

// A sensor that is killed again and again while it sends what it has spooled loses nothing of it.
func TestKilledWhileDraining(t *testing.T) {
	srv := start(t, embedded.Options{Listen: "127.0.0.1:0", Token: "secret"})
	b := connect(t, bus.Options{Server: srv, Token: secret})
	dir := t.TempDir()
	const n = 3000
	func() {
		nobody := connect(t, bus.Options{URL: "nats://127.0.0.1:1"})
		sp, err := bus.OpenSpool(dir, 0)
		must(t, err)
		p := nobody.NewPublisher(bus.PublisherOptions{Spool: sp})
		for i := range n {
			must(t, p.Publish(t.Context(), mk(i)))
		}
		must(t, p.Close(t.Context()))
		must(t, sp.Close())
	}()
	kills := 0
	for done := false; !done; {
		c := exec.Command(os.Args[0], "-test.run=^TestDrainHelper$")
		c.Env = append(os.Environ(), drainURL+"="+srv.URL(), drainDir+"="+dir)
		must(t, c.Start())
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		wait := time.Duration(50+rand.IntN(400)) * time.Millisecond
		if kills > 20 {
			wait = time.Minute // on a slow machine it must get there at last
		}
		select {
		case err := <-ended:
			must(t, err)
			done = true
		case <-time.After(wait):
			must(t, c.Process.Kill())
			<-ended
			kills++
		}
	}
	seen := map[string]bool{}
	for _, id := range receive(t, b, n) {
		seen[id] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d findings arrived", len(seen), n)
	}
	f, err := b.Findings(t.Context())
	must(t, err)
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if more, err := f.Next(ctx, 10); err == nil {
		t.Errorf("%s is stored twice", more[0].Finding.ID)
	}
	t.Logf("%d kills", kills)
}
