package httpclient

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/outputs"
)

func client(t testing.TB, s Settings) *Client {
	c, err := New(s, outputs.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// counted is a server that counts its connections.
func counted(t testing.TB, h http.HandlerFunc) (s *httptest.Server, conns *atomic.Int32) {
	s, conns = httptest.NewUnstartedServer(h), new(atomic.Int32)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s, conns
}

// echo answers with what it got, or with nothing.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	switch {
	case r.URL.Path == "/nothing":
		w.WriteHeader(http.StatusNoContent)
		return
	case r.URL.Path == "/hints":
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
	case r.URL.Path == "/last":
		w.Header().Set("Connection", "close")
	}
	_, _ = w.Write(b)
}

func TestConnectionsLiveOn(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s, conns := counted(t, echo)
		settings := Settings{}
		if secure {
			s.StartTLS()
			settings.TLS = &TLS{Insecure: true}
		} else {
			s.Start()
		}
		c := client(t, settings)
		long := strings.Repeat("long ", 20_000)
		for range 10 {
			for path, body := range map[string]string{"/nothing": "x", "/hints": "hints", "/echo": long, "/empty": ""} {
				got, err := c.Post(t.Context(), s.URL+path, nil, []byte(body), nil)
				want := body
				if path == "/nothing" {
					want = ""
				}
				if err != nil || string(got) != want {
					t.Fatalf("%s: %d bytes, %v", path, len(got), err)
				}
			}
		}
		if n := conns.Load(); n != 1 {
			t.Errorf("TLS %v: 40 requests took %d connections", secure, n)
		}
		for range 3 {
			if _, err := c.Post(t.Context(), s.URL+"/last", nil, []byte("x"), nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := conns.Load(); n != 3 {
			t.Errorf("TLS %v: a connection that the server ends was used again: %d", secure, n)
		}
	}
}

// A server that has closed an idle connection costs no request.
func TestConnectionClosedMeanwhile(t *testing.T) {
	s, conns := counted(t, echo)
	s.Start()
	c := client(t, Settings{})
	for i := range 5 {
		if _, err := c.Post(t.Context(), s.URL, nil, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // also one that is known to be closed before it is written to
			time.Sleep(1100 * time.Millisecond)
		}
		s.CloseClientConnections()
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections", n)
	}
}

func TestAnswerBeforeBodyIsRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.(*net.TCPConn).CloseWrite()
			time.Sleep(50 * time.Millisecond)
			c.Close()
		}
	}()
	_, err = client(t, Settings{}).Post(t.Context(), "http://"+l.Addr().String(), nil, make([]byte, 32<<20), nil)
	if !outputs.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

func TestCancelled(t *testing.T) {
	release := make(chan struct{})
	s, _ := counted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		<-release
	})
	s.Start()
	defer close(release)
	c := client(t, Settings{})
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := c.Post(ctx, s.URL+path, nil, []byte("x"), nil)
		cancel()
		if err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %v", path, err, time.Since(start))
		}
		if path == "/head" && err.Error() != "no answer in time" {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Post(ctx, s.URL, nil, []byte("x"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkPost has net/http's own transport beside it.
func BenchmarkPost(b *testing.B) {
	s, _ := counted(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	s.Start()
	body := make([]byte, 1300)
	own := client(b, Settings{})
	std := &Client{http: &http.Client{Transport: own.http.Transport.(*transport).Transport}}
	for name, c := range map[string]*Client{"tocsin": own, "net-http": std} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Post(context.Background(), s.URL, nil, body, nil); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// What a URL says beside the address is sent as any client would.
func TestURL(t *testing.T) {
	got := make(chan *http.Request, 1)
	s, _ := counted(t, func(w http.ResponseWriter, r *http.Request) { got <- r })
	s.Start()
	c := client(t, Settings{})
	for _, path := range []string{"/a%2Fb?c=d", "/"} { // the second is another target
		if _, err := c.Post(t.Context(), strings.Replace(s.URL, "://", "://user:pw@", 1)+path, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		r := <-got
		if user, pw, _ := r.BasicAuth(); user != "user" || pw != "pw" || r.RequestURI != path || "http://"+r.Host != s.URL {
			t.Errorf("%s of %s at %s by %s:%s", r.RequestURI, path, r.Host, user, pw)
		}
	}
	for _, bad := range []string{"", "/a", "ftp://host/", "http://", "http://[::1"} {
		if _, err := c.Post(t.Context(), bad, nil, nil, nil); !outputs.IsPermanent(err) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
