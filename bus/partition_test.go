package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
)

// reader is a router that reads findings and notes the hosts they are of.
type reader struct {
	b *bus.Bus
	f *bus.Findings

	mu    sync.Mutex
	hosts map[string]int
	last  map[string]string // host → id: what a host says is read in its order
	bad   int
}

func read(t *testing.T, srv *embedded.Server, all *sync.Map) *reader {
	r := &reader{b: connect(t, bus.Options{Server: srv}), hosts: map[string]int{}, last: map[string]string{}}
	var err error
	r.f, err = r.b.Findings(t.Context())
	must(t, err)
	go func() {
		for {
			list, err := r.f.Next(t.Context(), 100)
			if err != nil {
				return
			}
			for i := range list {
				x := &list[i].Finding
				r.mu.Lock()
				r.hosts[x.Host]++
				if x.ID < r.last[x.Host] {
					r.bad++
				}
				r.last[x.Host] = x.ID
				r.mu.Unlock()
				all.Store(x.ID, true)
				_ = list[i].Ack()
			}
		}
	}()
	return r
}

func (r *reader) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts
	r.hosts = map[string]int{}
	return h
}

func within(t *testing.T, what string, limit time.Duration, f func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !f() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// Three routers share the hosts; one leaves, one is cut off without a word, and the last has them all.
func TestRoutersShareByHost(t *testing.T) {
	srv := start(t, embedded.Options{})
	var all sync.Map
	routers := []*reader{read(t, srv, &all), read(t, srv, &all), read(t, srv, &all)}
	pub := connect(t, bus.Options{Server: srv}).NewPublisher(bus.PublisherOptions{Cluster: "eu"})
	n := 0
	publish := func() {
		for range 600 {
			n++
			f := &finding.Finding{ID: fmt.Sprintf("f-%06d", n), Host: fmt.Sprint("host-", n%24), Rule: finding.Rule{ID: "r"}}
			must(t, pub.Publish(t.Context(), f))
		}
		must(t, pub.Flush(t.Context()))
	}
	arrived := func() bool {
		have := 0
		all.Range(func(any, any) bool { have++; return true })
		return have == n
	}
	held := func(want ...int) func() bool {
		return func() bool {
			have := map[int]int{}
			for _, r := range routers {
				have[r.f.Partitions()]++
			}
			for _, w := range want {
				have[w]--
			}
			for _, x := range have {
				if x != 0 {
					return false
				}
			}
			return true
		}
	}

	within(t, "three have their part", 20*time.Second, held(3, 3, 2))
	for _, r := range routers {
		r.take()
	}
	publish()
	within(t, "all arrive", 20*time.Second, arrived)
	owner := map[string]int{}
	for i, r := range routers {
		hosts := r.take()
		if len(hosts) == 0 {
			t.Errorf("router %d has nothing to do", i)
		}
		for h := range hosts {
			if other, ok := owner[h]; ok {
				t.Errorf("%s is read by routers %d and %d", h, other, i)
			}
			owner[h] = i
		}
		if r.bad > 0 {
			t.Errorf("router %d: %d findings before older ones of their host", i, r.bad)
		}
	}

	// It says that it goes.
	routers[2].f.Close()
	routers = routers[:2]
	t.Logf("%v after one has left", within(t, "two share", 5*time.Second, held(4, 4)))
	publish()
	within(t, "all arrive", 20*time.Second, arrived)

	bus.ForgetRouters(t, routers[0].b)
	time.Sleep(1500 * time.Millisecond)

	// It does not: what it has in hand is read by the other.
	routers[1].b.Close()
	routers = routers[:1]
	publish()
	t.Logf("%v after one was cut off", within(t, "one has all", 10*time.Second, held(bus.Partitions)))
	within(t, "all arrive", 20*time.Second, arrived)
}

// What was published before the stream had partitions is read all the same.
func TestFindingsWithoutPartition(t *testing.T) {
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})})
	bus.WithoutPartitions(t, b)
	pub := b.NewPublisher(bus.PublisherOptions{})
	for i := range 20 {
		f := mk(i)
		f.Host = fmt.Sprint("host-", i)
		must(t, pub.Publish(t.Context(), f))
	}
	must(t, pub.Close(t.Context()))
	must(t, b.Ensure(context.Background(), bus.Streams{}))
	if got := receive(t, b, 20); len(got) != 20 {
		t.Errorf("%d", len(got))
	}
}
