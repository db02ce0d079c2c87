package faults

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/store/storetest"
	"github.com/tocsin-io/tocsin/test/harness"
)

// several are the routers and NATS servers of a world that has more than one, on one PostgreSQL.
type several struct {
	routers []*harness.Process
	nodes   []*harness.NATS
}

// newShared starts a cluster of three NATS servers, PostgreSQL, and three routers that share the work.
func newShared(t *testing.T, extra string) (*world, *several) {
	t.Helper()
	dsn := storetest.Postgres(t)
	w := &world{t: t, accepted: map[string]time.Time{}, sink: newSink(t)}
	s := &several{}
	var url string
	s.nodes, url = harness.NewNATSCluster(t, 3)
	for range 3 {
		w.api = harness.FreeAddr(t)
		w.config = harness.WriteFile(t, "router.yaml", fmt.Sprintf(`version: 1
data_dir: %s
log: {level: warn}
server: {listen: %s}
nats: {url: "%s", replicas: 3, max_bytes: 256MiB}
store: {postgres: {dsn: "%s"}}
outputs:
  hook: {type: webhook, url: "http://%s/"%s}
routes:
  - {name: all, outputs: [hook], group: none, suppress: never}
`, t.TempDir(), w.api, url, dsn, w.sink.addr, extra))
		w.startRouter()
		s.routers = append(s.routers, w.router)
	}
	w.connect(url)
	return w, s
}

// noteAll keeps the memory of the routers that still run; the highest of one counts.
func (s *several) noteAll(w *world) {
	for _, r := range s.routers {
		_, peak := r.Memory()
		w.peak = max(w.peak, peak)
	}
}

// takeOver is how long after at the last of the findings accepted before it was delivered.
func (w *world) takeOver(at time.Time) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	for id, published := range w.accepted {
		if got := w.sink.got[id]; len(got) > 0 && published.Before(at) {
			longest = max(longest, got[0].at.Sub(at))
		}
	}
	return longest
}

// gap is the longest time without a delivery from at to until.
func (w *world) gap(at, until time.Time) (longest time.Duration) {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	var times []time.Time
	for _, list := range w.sink.got {
		for _, d := range list {
			if d.at.After(at) && d.at.Before(until) {
				times = append(times, d.at)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, t := range times {
		longest = max(longest, t.Sub(at))
		at = t
	}
	return longest
}

// killOneOfThree kills a router, and in the second row a NATS server with it, while findings arrive.
func (w *world) killOneOfThree(p plan, s *several, node bool) string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(p.rate, 2*p.before+p.fault)
	}()
	time.Sleep(p.before)
	s.noteAll(w)
	at := time.Now()
	s.routers[0].Kill()
	if node {
		s.nodes[0].Kill()
	}
	time.Sleep(p.fault)
	if node {
		s.nodes[0].Start()
	}
	<-done
	until := time.Now()
	w.drain(90 * time.Second)
	s.noteAll(w)
	return fmt.Sprintf("longest time without a delivery %v, what the dead had in hand came after %v",
		w.gap(at, until).Round(time.Millisecond), w.takeOver(at).Round(10*time.Millisecond))
}
