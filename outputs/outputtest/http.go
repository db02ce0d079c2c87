package outputtest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Receiver is an HTTP server that answers as told.
type Receiver struct {
	URL string
	// OK answers when all is well; by default 200 without a body.
	OK http.HandlerFunc
	// IDs gives the ids of what a request carries.
	IDs func(r *http.Request, body []byte) []string

	mu        sync.Mutex
	behaviour Behaviour
	ids       []string
	requests  []Request
	release   chan struct{}
}

// Request is one that the receiver got, whatever it answered.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
}

// NewReceiver starts a server that lives as long as the test.
func NewReceiver(t testing.TB, ids func(r *http.Request, body []byte) []string) *Receiver {
	r := &Receiver{IDs: ids, behaviour: OK, release: make(chan struct{})}
	s := httptest.NewServer(r)
	r.URL = s.URL
	t.Cleanup(func() {
		close(r.release)
		s.Close()
	})
	return r
}

// Behave sets how the next requests are answered.
func (r *Receiver) Behave(b Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behaviour = b
}

// Received is Target.Received.
func (r *Receiver) Received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.ids...)
}

// Requests lists all requests so far.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.requests...)
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	b, ok := r.behaviour, r.OK
	r.requests = append(r.requests, Request{req.Method, req.URL.Path, req.URL.RawQuery, req.Header.Clone(), body})
	r.mu.Unlock()
	switch b {
	case Temporary:
		http.Error(w, "overloaded", http.StatusServiceUnavailable)
		return
	case Permanent:
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	case RetryAfter:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	case Hang:
		select {
		case <-r.release:
		case <-req.Context().Done():
		}
		return
	case Slow:
		time.Sleep(200 * time.Millisecond)
	}
	r.mu.Lock()
	r.ids = append(r.ids, r.IDs(req, body)...)
	r.mu.Unlock()
	if ok != nil {
		ok(w, req)
	}
}

// ClosedPort returns a loopback address at which nobody listens.
func ClosedPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
