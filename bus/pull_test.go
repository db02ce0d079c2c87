package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-io/tocsin/bus/embedded"
)

// What was asked for in vain is asked for again: the server did not know the consumer, or has lost the request without a word.
func TestPullAsksAgain(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	must(err)
	defer srv.Shutdown()
	b, err := Connect(Options{Server: srv})
	must(err)
	defer b.Close()
	must(b.Ensure(t.Context(), Streams{}))
	publish := func(n int) {
		t.Helper()
		for range n {
			PublishRaw(t, b, FindingsSubject("c", "h"), []byte("x"))
		}
	}
	c := make(chan *nats.Msg, 64)
	next := func() *nats.Msg {
		t.Helper()
		select {
		case m := <-c:
			return m
		case <-time.After(60 * time.Second):
			t.Fatal("nothing came")
			return nil
		}
	}

	p, err := b.pull(StreamFindings, "reader", c, 4)
	must(err)
	if m := next(); p.take(m) || m.Header.Get("Status") != "503" {
		t.Errorf("%v from a consumer that does not exist", m.Header)
	}
	_, err = b.js.CreateConsumer(t.Context(), StreamFindings, jetstream.ConsumerConfig{Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy})
	must(err)
	publish(9)
	p.tend()
	for i := range 9 { // more than are asked for at a time
		if !p.take(next()) {
			t.Errorf("no message in place %d", i)
		}
	}
	p.stop()
	<-p.ended
	publish(1)
	if len(c) > 0 {
		t.Error("it reads on when it has been stopped")
	}

	p, err = b.pull(StreamFindings, "reader", c, 4)
	must(err)
	p.take(next())
	p.tend()
	must(p.sub.Unsubscribe()) // the server forgets what it was asked there
	p.sub, err = b.nc.ChanSubscribe(b.nc.NewInbox(), c)
	must(err)
	publish(1)
	for range pullSilence {
		if len(c) > 0 {
			t.Fatal("what is silent for a moment is not lost")
		}
		p.tend()
	}
	if !p.take(next()) {
		t.Error("no message")
	}
}
