// Package faults breaks things under the router while findings arrive, and counts: what was
// accepted, what was delivered, what was lost, what came twice, and how much memory it took.
//
// "go test ./test/faults" runs a short form of every fault; TOCSIN_FAULTS=long ("make
// test-faults") the full one. TOCSIN_REPORT=FILE writes the table there.
package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/test/harness"
)

// A world is what a fault happens in: a NATS server, a router and a receiver, each a process
// or listener that can fail by itself, and a publisher as the sensor has it.
type world struct {
	t      testing.TB
	nats   *harness.NATS
	router *harness.Process
	sink   *sink
	pub    *bus.Publisher
	send   func(ctx context.Context, list ...*finding.Finding) error // returns when they are accepted
	bus    *bus.Bus
	config string
	api    string

	seq      atomic.Uint64
	mu       sync.Mutex
	accepted map[string]time.Time // finding id → when it was given to the publisher
	refused  int                  // findings that the publisher did not take
	peak     int64                // highest memory of any router process, bytes
	cpu      time.Duration        // of router processes that have ended
}

// options of a world; the zero value is usable.
type options struct {
	natsDir, routerDir string
	maxBytes           string // bound of each stream
	extra              string // YAML for the output
	syncAlways         bool   // NATS syncs each write
	lean               bool   // the receiver is newLeanSink
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, accepted: map[string]time.Time{}, api: harness.FreeAddr(t)}
	if o.lean {
		w.sink = newLeanSink(t)
	} else {
		w.sink = newSink(t)
	}
	var natsOptions []string
	if o.syncAlways {
		natsOptions = append(natsOptions, harness.SyncAlways)
	}
	w.nats = harness.NewNATS(t, o.natsDir, natsOptions...)
	if o.routerDir == "" {
		o.routerDir = t.TempDir()
	}
	if o.maxBytes != "" {
		o.maxBytes = ", max_bytes: " + o.maxBytes
	}
	w.config = harness.WriteFile(t, "router.yaml", fmt.Sprintf(`version: 1
data_dir: %s
log: {level: warn}
server: {listen: %s}
nats: {url: %s%s}
outputs:
  hook: {type: webhook, url: "http://%s/"%s}
routes:
  - {name: all, outputs: [hook], group: none, suppress: never}
`, o.routerDir, w.api, w.nats.URL, o.maxBytes, w.sink.addr, o.extra))
	w.startRouter()
	w.connect(w.nats.URL)
	return w
}

// connect makes the publisher, as the sensor has it.
func (w *world) connect(url string) {
	w.t.Helper()
	var err error
	w.bus, err = bus.Connect(bus.Options{URL: url, Name: "faults"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.bus.Close)
	w.pub = w.bus.NewPublisher(bus.PublisherOptions{Cluster: "c", Host: "h"})
	w.send = w.pub.Store
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		w.pub.Close(ctx)
	})
}

// startRouter starts the router and waits until it is ready.
func (w *world) startRouter() {
	w.t.Helper()
	w.launchRouter()
	harness.Eventually(w.t, 60*time.Second*harness.Slow(), func() error {
		if w.router.Exited() {
			w.t.Fatalf("the router ended:\n%s", w.router.Stderr())
		}
		resp, err := http.Get("http://" + w.api + "/readyz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", resp.Status)
		}
		return nil
	})
}

func (w *world) launchRouter() {
	w.t.Helper()
	w.router = harness.Start(w.t, "tocsin-router", "-c", w.config)
}

// noteUsage keeps what the router process has used; call it before the process ends.
func (w *world) noteUsage() {
	_, peak := w.router.Memory()
	w.peak = max(w.peak, peak)
	w.cpu += w.router.CPU()
}

// publish gives findings to the publisher at a steady rate for some time and returns when
// all are stored or refused. Each batch is waited for on its own, so that one that hangs
// holds up no other.
func (w *world) publish(rate int, duration time.Duration) {
	const tick = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), duration+90*time.Second*harness.Slow())
	defer cancel()
	var wg sync.WaitGroup
	start := time.Now()
	sent, total := 0, int(float64(rate)*duration.Seconds())
	for now := range time.Tick(tick) {
		due := min(total, int(float64(rate)*now.Sub(start).Seconds()))
		if n := due - sent; n > 0 {
			sent = due
			batch := w.make(n)
			wg.Go(func() { w.store(ctx, batch) })
		}
		if sent == total {
			break
		}
	}
	wg.Wait()
}

// store gives a batch to the publisher and counts it as accepted once that has it stored.
func (w *world) store(ctx context.Context, batch []*finding.Finding) {
	at := time.Now()
	err := w.send(ctx, batch...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.refused += len(batch)
		return
	}
	for _, f := range batch {
		w.accepted[f.ID] = at
	}
}

// hosts is how many sensors there seem to be. Routers share findings by host.
const hosts = 12

// padding makes a finding as large as one of a real event with its process tree, about 1.2 KB.
var padding = bytes.Repeat([]byte("0123456789"), 45)

func (w *world) make(n int) []*finding.Finding {
	list := make([]*finding.Finding, n)
	for i := range list {
		seq := w.seq.Add(1)
		event, _ := json.Marshal(map[string]any{
			"timestamp": time.Now().UnixNano(), "eventName": "security_file_open", "processName": "cat", "seq": seq,
			"args": []map[string]any{{"name": "pathname", "type": "const char*", "value": "/etc/shadow"}, {"name": "padding", "value": string(padding)}},
		})
		f := &finding.Finding{
			ID: finding.NewID("h", "fault_test", time.Now(), fmt.Append(nil, seq)), Time: time.Now(), Cluster: "c", Host: fmt.Sprint("h", seq%hosts), Origin: "host", Source: "tocsin",
			Rule:     finding.Rule{ID: "fault_test", Name: "Fault test", Description: "A finding that must arrive"},
			Severity: finding.High, Event: event, Message: "a finding that must arrive",
			Process: &finding.Process{PID: uint32(seq), Name: "cat", Executable: "/bin/cat", Args: []string{"cat", "/etc/shadow"}},
		}
		f.SetFingerprint()
		list[i] = f
	}
	return list
}

// drain waits until every accepted finding has arrived, or nothing has for limit.
func (w *world) drain(limit time.Duration) {
	limit *= harness.Slow()
	last, at := -1, time.Now()
	for {
		missing := w.missing()
		if missing == 0 {
			return
		}
		if missing != last {
			last, at = missing, time.Now()
		}
		if time.Since(at) > limit {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// missing is how many accepted findings have not arrived: at least so many, and 0 only if none. To look for each takes longer than
// to receive it, and is left until it can matter.
func (w *world) missing() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	if n := len(w.accepted) - len(w.sink.got); n > 0 {
		return n
	}
	for id := range w.accepted {
		if len(w.sink.got[id]) == 0 {
			n++
		}
	}
	return n
}

// result closes the books of a run.
func (w *world) result(name string) result {
	w.noteUsage()
	r := result{Fault: name, Refused: w.refused, Memory: w.peak}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	r.Accepted = len(w.accepted)
	for id := range w.accepted {
		if len(w.sink.got[id]) == 0 {
			r.Lost++
		}
	}
	for id, list := range w.sink.got {
		if len(list) == 0 {
			continue
		}
		if _, ok := w.accepted[id]; ok {
			r.Delivered++
		} else {
			r.Unknown++ // stored, though the publisher could not know
		}
		r.Duplicates += len(list) - 1
		for _, d := range list[1:] {
			if d.webhookID != list[0].webhookID {
				r.Unmarked++
			}
		}
	}
	return r
}

// A result is one row of the table.
type result struct {
	Fault             string
	Accepted, Refused int
	Delivered, Lost   int
	Duplicates        int   // deliveries of a finding beyond its first, all with 2xx
	Unmarked          int   // of these, those whose webhook-id was another
	Unknown           int   // delivered though the publisher had no confirmation
	Memory            int64 // highest resident memory of the router, bytes
	Note              string
}

// A sink is the receiver. What it does with a request can change at any time.
type sink struct {
	addr string
	t    testing.TB

	mu      sync.Mutex
	got     map[string][]delivery
	latest  time.Time     // of the newest accepted delivery
	gap     time.Duration // longest time between two accepted deliveries
	respond func(w http.ResponseWriter, r *http.Request) (done bool)
	start   func(*sink, net.Listener) (end func() error)
	end     func() error
	seen    atomic.Int64 // requests, whatever became of them
}

type delivery struct {
	webhookID string
	at        time.Time
}

func newSink(t testing.TB) *sink { return openSink(t, (*sink).serve) }

// newLeanSink is a receiver that takes everything, at a part of what a server of net/http costs: where the router shares two
// processors with it, its cost would be in the router's numbers.
func newLeanSink(t testing.TB) *sink { return openSink(t, (*sink).serveLean) }

func openSink(t testing.TB, serve func(*sink, net.Listener) (end func() error)) *sink {
	s := &sink{t: t, addr: harness.FreeAddr(t), got: map[string][]delivery{}, start: serve}
	s.open()
	t.Cleanup(s.close)
	return s
}

// open listens; after [sink.close], again on the same address.
func (s *sink) open() {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.end = s.start(s, l)
}

func (s *sink) serve(l net.Listener) (end func() error) {
	server := &http.Server{Handler: s}
	go server.Serve(l)
	return server.Close
}

func (s *sink) serveLean(l net.Listener) (end func() error) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(c)
		}
	}()
	return l.Close
}

func (s *sink) answer(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
			return
		}
		s.take(req, body)
	}
}

// close refuses connections and breaks those that are open.
func (s *sink) close() { s.end() }

// behave sets what happens to each request: f answers it and returns true, or returns false
// to have it accepted.
func (s *sink) behave(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = f
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.seen.Add(1)
	s.mu.Lock()
	respond := s.respond
	s.mu.Unlock()
	if respond != nil && respond(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the router went away in the middle
	}
	// The answer counts, so it is written first: had the router died before it came, the
	// finding would have to come again.
	w.WriteHeader(http.StatusNoContent)
	s.take(r, body)
}

// take notes what has been answered.
func (s *sink) take(r *http.Request, body []byte) {
	ids := findingIDs(body)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) > 0 {
		s.gap = max(s.gap, now.Sub(s.latest))
	}
	s.latest = now
	for _, id := range ids {
		s.got[id] = append(s.got[id], delivery{r.Header.Get("Webhook-Id"), now})
	}
}

// findingIDs returns the ids of the findings in a notification. It does not read the JSON: what the receiver costs is not
// to be measured.
func findingIDs(body []byte) (ids []string) {
	start := []byte(`"id":"f-`) // not at the beginning of an object: a relay sorts its keys
	for {
		i := bytes.Index(body, start)
		if i < 0 {
			return ids
		}
		body = body[i+len(start)-2:]
		end := bytes.IndexByte(body, '"')
		if end < 0 {
			return ids
		}
		ids = append(ids, string(body[:end]))
	}
}

// reportFile is where a report goes, or empty.
func reportFile(t testing.TB) string {
	if name := os.Getenv("TOCSIN_REPORT"); name != "" {
		return filepath.Join(harness.Root(t), name)
	}
	return ""
}
