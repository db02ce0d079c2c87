package httpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// transport speaks HTTP/1.1 on connections of which each serves one request at a time, in the goroutine that asks. That of
// net/http has two goroutines a connection, which hand each request and each answer over: most of what sending an alert cost.
// Messages are written and parsed by net/http all the same. Requests by way of a proxy are left to it as a whole.
type transport struct {
	*http.Transport

	mu   sync.Mutex
	idle map[string][]*conn // by scheme and address, the last used at the end
}

const (
	maxIdle  = 256
	idleFor  = 90 * time.Second
	bufferOf = 8 << 10 // most notifications leave in one write with their header
)

// conn is one connection. It belongs to a request, or is idle.
type conn struct {
	net.Conn
	raw  net.Conn // below TLS
	key  string
	r    *bufio.Reader
	w    *bufio.Writer
	used time.Time // when it last became idle; zero: never
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := t.Proxy(req); err != nil || proxy != nil {
		return t.Transport.RoundTrip(req)
	}
	for {
		c, err := t.conn(req.Context(), req.URL)
		if err != nil {
			return nil, err
		}
		resp, err := t.try(c, req)
		if err == nil {
			return resp, nil
		}
		c.Close()
		if errors.Is(err, errNoAnswer) && !c.used.IsZero() && req.Context().Err() == nil && rewind(req) {
			continue // the server had closed the connection meanwhile
		}
		if ctx := req.Context().Err(); ctx != nil {
			return nil, ctx
		}
		return nil, err
	}
}

func rewind(req *http.Request) bool {
	if req.Body == nil || req.GetBody == nil {
		return req.Body == nil
	}
	body, err := req.GetBody()
	if err == nil {
		req.Body = body
	}
	return err == nil
}

var errNoAnswer = errors.New("the connection ended without an answer")

// try sends a request and reads the head of the answer. The connection goes back when its body has been read.
func (t *transport) try(c *conn, req *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	writeErr := req.Write(c.w)
	if writeErr == nil {
		writeErr = c.w.Flush()
	}
	if writeErr != nil { // perhaps because the server has said already that it won't have it
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	}
	resp, err := c.answer(req)
	if err != nil {
		stop()
		if writeErr != nil {
			err = fmt.Errorf("%w: %w", errNoAnswer, writeErr)
		}
		return nil, err
	}
	reusable := writeErr == nil && !resp.Close && !req.Close
	release := func(read bool) {
		if stop() && read && reusable {
			t.put(c)
		} else {
			c.Close()
		}
	}
	if resp.Body == http.NoBody {
		release(true)
	} else {
		resp.Body = &body{ReadCloser: resp.Body, release: release}
	}
	return resp, nil
}

// answer reads the head of the answer, and over those that only announce it (RFC 9110, 15.2).
func (c *conn) answer(req *http.Request) (*http.Response, error) {
	if _, err := c.r.Peek(1); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	for {
		resp, err := http.ReadResponse(c.r, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 {
			return resp, nil
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("the server changes to another protocol")
		}
	}
}

type body struct {
	io.ReadCloser
	release func(read bool)
	once    sync.Once
	read    bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read = b.read || err == io.EOF
	return n, err
}

func (b *body) Close() error {
	b.once.Do(func() { b.release(b.read) })
	return nil
}

// conn returns an idle connection or makes one.
func (t *transport) conn(ctx context.Context, u *url.URL) (*conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	key := u.Scheme + " " + addr
	for {
		c := t.take(key)
		if c == nil {
			break
		}
		if c.alive() {
			return c, nil
		}
		c.Close()
	}
	raw, err := t.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, key: key}
	if u.Scheme == "https" {
		cfg := t.TLSClientConfig.Clone()
		if cfg.ServerName == "" {
			cfg.ServerName = u.Hostname()
		}
		cfg.NextProtos = []string{"http/1.1"}
		s := tls.Client(raw, cfg)
		ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
		if err := s.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		c.Conn = s
	}
	c.r, c.w = bufio.NewReader(c.Conn), bufio.NewWriterSize(c.Conn, bufferOf)
	return c, nil
}

// alive reports whether the server has left an idle connection alone. One that was in use a moment ago is not asked: a
// request on it that comes to nothing is repeated.
func (c *conn) alive() bool {
	idle := time.Since(c.used)
	if idle < time.Second {
		return true
	}
	if idle > idleFor || c.r.Buffered() > 0 {
		return false
	}
	s, ok := c.raw.(syscall.Conn)
	if !ok {
		return true
	}
	rc, err := s.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errors.Is(err, unix.EAGAIN) // anything else is its end, or what nobody has asked for
		return true
	})
	return err == nil && quiet
}

func (t *transport) take(key string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[key]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	t.idle[key] = list[:len(list)-1]
	return c
}

// put keeps a connection for the next request, and closes the one that has been idle longest when there are too many or
// that was too long.
func (t *transport) put(c *conn) {
	c.used = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.idle[c.key]
	if len(list) > 0 && (len(list) >= maxIdle || c.used.Sub(list[0].used) > idleFor) {
		list[0].Close()
		list = append(list[:0], list[1:]...)
	}
	if t.idle == nil {
		t.idle = map[string][]*conn{}
	}
	t.idle[c.key] = append(list, c)
}

// CloseIdleConnections is called by http.Client.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.idle {
		for _, c := range list {
			c.Close()
		}
	}
	clear(t.idle)
	t.Transport.CloseIdleConnections()
}
