package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc5424"
)

// A Request is what a [Webhook] has received.
type Request struct {
	Time   time.Time
	Header http.Header
	Body   []byte
	Status int // what it was answered
}

// A Webhook is an HTTP receiver of alerts. Its behaviour can change while it runs.
type Webhook struct {
	URL    string
	server *httptest.Server

	mu       sync.Mutex
	requests []Request
	respond  func(w http.ResponseWriter, r *http.Request) int
}

// NewWebhook starts a receiver that answers every request with 204.
func NewWebhook(t testing.TB) *Webhook {
	t.Helper()
	w := &Webhook{}
	w.server = httptest.NewServer(w)
	w.URL = w.server.URL
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender went away
	}
	at := time.Now()
	h.mu.Lock()
	respond := h.respond
	h.mu.Unlock()
	status := http.StatusNoContent
	if respond != nil {
		status = respond(w, r)
	} else {
		w.WriteHeader(status)
	}
	h.mu.Lock()
	h.requests = append(h.requests, Request{Time: at, Header: r.Header.Clone(), Body: body, Status: status})
	h.mu.Unlock()
}

// Respond sets what the receiver does with each request: it writes the answer and returns
// its status. nil means 204.
func (h *Webhook) Respond(f func(w http.ResponseWriter, r *http.Request) int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.respond = f
}

// Fail makes the receiver answer with status.
func (h *Webhook) Fail(status int) {
	h.Respond(func(w http.ResponseWriter, _ *http.Request) int {
		w.WriteHeader(status)
		return status
	})
}

// Requests returns all that came so far.
func (h *Webhook) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Request(nil), h.requests...)
}

// Accepted returns the requests that were answered with a 2xx status.
func (h *Webhook) Accepted() (list []Request) {
	for _, r := range h.Requests() {
		if r.Status/100 == 2 {
			list = append(list, r)
		}
	}
	return list
}

// Wait waits until an accepted request satisfies match, which may be nil.
func (h *Webhook) Wait(t testing.TB, limit time.Duration, match func(Request) bool) Request {
	t.Helper()
	var found Request
	Eventually(t, limit*Slow(), func() error {
		list := h.Accepted()
		for _, r := range list {
			if match == nil || match(r) {
				found = r
				return nil
			}
		}
		return fmt.Errorf("%w: %d requests at the webhook, none as expected", ErrNotYet, len(list))
	})
	return found
}

// A Syslog is a receiver of RFC 5424 messages over UDP or TCP (RFC 6587 octet counting).
type Syslog struct {
	Addr string // as the output's addr: udp://… or tcp://…

	mu       sync.Mutex
	messages []*rfc5424.SyslogMessage
	errs     []error
}

// NewSyslog starts a receiver; network is "udp" or "tcp".
func NewSyslog(t testing.TB, network string) *Syslog {
	t.Helper()
	s := &Syslog{}
	switch network {
	case "udp":
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s.Addr = "udp://" + c.LocalAddr().String()
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, _, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				s.add(bytes.Clone(buf[:n]))
			}
		}()
	case "tcp":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		s.Addr = "tcp://" + l.Addr().String()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go s.stream(c)
			}
		}()
	default:
		t.Fatalf("syslog over %q", network)
	}
	return s
}

// stream reads "LENGTH SP MESSAGE" after one another.
func (s *Syslog) stream(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		prefix, err := r.ReadString(' ')
		if errors.Is(err, io.EOF) {
			return
		}
		n, perr := strconv.Atoi(string(bytes.TrimSpace([]byte(prefix))))
		if err != nil || perr != nil {
			s.fail(fmt.Errorf("syslog frame %q: %w", prefix, errors.Join(err, perr)))
			return
		}
		msg := make([]byte, n)
		if _, err := io.ReadFull(r, msg); err != nil {
			s.fail(fmt.Errorf("syslog frame of %d bytes: %w", n, err))
			return
		}
		s.add(msg)
	}
}

func (s *Syslog) add(raw []byte) {
	var parser syslog.Machine = rfc5424.NewParser()
	m, err := parser.Parse(raw)
	if err != nil {
		s.fail(fmt.Errorf("syslog message %q: %w", raw, err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m.(*rfc5424.SyslogMessage))
}

func (s *Syslog) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// Messages returns what came so far, and fails the test if something was not RFC 5424.
func (s *Syslog) Messages(t testing.TB) []*rfc5424.SyslogMessage {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.errs {
		t.Error(err)
	}
	return append([]*rfc5424.SyslogMessage(nil), s.messages...)
}
