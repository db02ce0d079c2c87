package syslog

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

// receiver is a syslog server on TCP or TLS that reads with an independent parser.
type receiver struct {
	t        *testing.T
	addr     string
	cfg      *tls.Config
	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	hang     bool
	messages []*rfc5424.SyslogMessage
}

func newReceiver(t *testing.T, cfg *tls.Config) *receiver {
	r := &receiver{t: t, cfg: cfg, addr: "127.0.0.1:0"}
	r.listen()
	t.Cleanup(r.stop)
	return r
}

func (r *receiver) listen() {
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().String()
	if r.cfg != nil {
		l = tls.NewListener(l, r.cfg)
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			hang := r.hang
			r.mu.Unlock()
			if hang {
				continue // nobody reads, and a TLS handshake never ends
			}
			go r.read(c)
		}
	}()
}

func (r *receiver) read(c net.Conn) {
	p := octetcounting.NewParser(gosyslog.WithMaxMessageLength(1<<20), gosyslog.WithListener(func(res *gosyslog.Result) {
		if res.Error != nil {
			if _, ok := res.Error.(net.Error); !ok && !strings.Contains(res.Error.Error(), "found EOF") {
				r.t.Logf("parse: %v", res.Error)
			}
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.messages = append(r.messages, res.Message.(*rfc5424.SyslogMessage))
	}))
	p.Parse(c)
}

func (r *receiver) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.listener.Close()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *receiver) behave(b outputtest.Behaviour) {
	switch b {
	case outputtest.Temporary:
		r.stop()
	case outputtest.OK:
		r.listen()
	case outputtest.Hang:
		r.mu.Lock()
		r.hang = true
		r.mu.Unlock()
	}
}

func (r *receiver) all() []*rfc5424.SyslogMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*rfc5424.SyslogMessage(nil), r.messages...)
}

func (r *receiver) ids() []string {
	var out []string
	for _, m := range r.all() {
		out = append(out, (*m.StructuredData)[enterprise]["id"])
	}
	return out
}

func conf(addr string) *Settings {
	return &Settings{Addr: addr, Facility: "local0", AppName: "tocsin"}
}

func TestSuiteTCP(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) *outputtest.Target {
		r := newReceiver(t, nil)
		return &outputtest.Target{
			Settings: conf("tcp://" + r.addr), Refused: conf("tcp://" + outputtest.ClosedPort(t)), Behave: r.behave, Received: r.ids, Late: true,
			Lacks: []outputtest.Behaviour{outputtest.Permanent, outputtest.RetryAfter, outputtest.Slow, outputtest.Hang},
		}
	})
}

// certificate gives a server's configuration and a file with its authority.
func certificate(t *testing.T) (*tls.Config, string) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: s.TLS.Certificates}, file
}

func TestSuiteTLS(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) *outputtest.Target {
		cfg, ca := certificate(t)
		r := newReceiver(t, cfg)
		s, refused := conf("tls://"+r.addr), conf("tls://"+outputtest.ClosedPort(t))
		s.TLS, refused.TLS = &httpclient.TLS{CA: ca}, &httpclient.TLS{CA: ca}
		return &outputtest.Target{
			Settings: s, Refused: refused, Behave: r.behave, Received: r.ids, Late: true,
			Lacks: []outputtest.Behaviour{outputtest.Permanent, outputtest.RetryAfter, outputtest.Slow},
		}
	})
}

func TestSuiteUDP(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) *outputtest.Target {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		var mu sync.Mutex
		var ids []string
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, _, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				m, err := rfc5424.NewParser().Parse(b[:n])
				if err != nil {
					t.Errorf("parse %q: %v", b[:n], err)
					continue
				}
				mu.Lock()
				ids = append(ids, (*m.(*rfc5424.SyslogMessage).StructuredData)[enterprise]["id"])
				mu.Unlock()
			}
		}()
		return &outputtest.Target{
			Settings: conf("udp://" + c.LocalAddr().String()), Late: true, Behave: func(outputtest.Behaviour) {},
			Received: func() []string { mu.Lock(); defer mu.Unlock(); return append([]string(nil), ids...) },
			Lacks:    []outputtest.Behaviour{outputtest.Temporary, outputtest.Permanent, outputtest.RetryAfter, outputtest.Slow, outputtest.Hang},
		}
	})
}

func TestMessage(t *testing.T) {
	n := outputtest.Notification(finding.KindAlert, 1)
	n.Alert.Container.Image = `we"ird\im]age` + "\n" + "ü"
	v := encode.NewView(&n, "", nil)
	raw := appendMessage(nil, 16, "tocsin", &v, []byte("hello"))
	parsed, err := rfc5424.NewParser().Parse(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	m := parsed.(*rfc5424.SyslogMessage)
	sd := (*m.StructuredData)[enterprise]
	for _, x := range []struct{ what, got, want string }{
		{"facility", strconv.Itoa(int(*m.Facility)), "16"},
		{"severity", strconv.Itoa(int(*m.Severity)), "3"},
		{"hostname", *m.Hostname, "node-7"},
		{"app", *m.Appname, "tocsin"},
		{"procid", *m.ProcID, "4711"},
		{"msgid", *m.MsgID, "container_escape"},
		{"time", m.Timestamp.Format(time.RFC3339Nano), "2026-11-24T09:31:16.123456Z"},
		{"message", *m.Message, "hello"},
		{"image", sd["image"], `we"ird\im]age ü`},
		{"technique", sd["technique"], "T1611,T1055.008"},
		{"tactic", sd["tactic"], "TA0004,TA0005"},
		{"id", sd["id"], n.ID},
		{"count", sd["count"], "3"},
	} {
		if x.got != x.want {
			t.Errorf("%s: got %q, want %q", x.what, x.got, x.want)
		}
	}
}

func TestFormatsAndLimits(t *testing.T) {
	r := newReceiver(t, nil)
	s := conf("tcp://" + r.addr)
	s.Format, s.MaxSize = "json", 600
	out, err := outputs.Open(s, outputs.Env{Name: "o"})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	batch := []finding.Notification{outputtest.Notification(finding.KindAlert, 1), outputtest.Notification(finding.KindFinding, 2)}
	if err := out.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(60 * time.Second)
	for len(r.all()) < 2 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	ms := r.all()
	if len(ms) != 2 || !strings.HasPrefix(*ms[0].Message, "{") {
		t.Fatalf("%d messages", len(ms))
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []*Settings{
		conf("siem:514"), conf("http://siem"), conf("tcp://"),
		{Addr: "tcp://x", Facility: "kern", AppName: "x"},
		{Addr: "tcp://x", Facility: "user", AppName: "a b"},
		{Addr: "tcp://x", Facility: "user", AppName: "x", MaxSize: 100},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v passes", s)
		}
	}
}

// Whatever stands in a finding, the result is one message that an independent parser reads back.
func FuzzMessage(f *testing.F) {
	f.Add("node-7", "rule", "im\"a\\g]e", "text\n")
	f.Add("", "ü ü", "\x00\xff", "")
	f.Fuzz(func(t *testing.T, host, rule, image, text string) {
		n := outputtest.Notification(finding.KindAlert, 1)
		n.Alert.Host, n.Alert.Rule.ID, n.Alert.Container.Image = host, rule, image
		v := encode.NewView(&n, "", nil)
		raw := appendMessage(nil, 1, "tocsin", &v, oneLine([]byte(strings.ToValidUTF8(text, ""))))
		framed := bufio.NewReader(strings.NewReader(string(frame(nil, raw))))
		length, err := framed.ReadString(' ')
		if err != nil || strings.TrimSpace(length) != strconv.Itoa(len(raw)) {
			t.Fatal(length, err)
		}
		rest, _ := io.ReadAll(framed)
		if strings.ContainsRune(string(rest), '\n') {
			t.Error("a newline in the message")
		}
		m, err := rfc5424.NewParser().Parse(raw)
		if err != nil {
			t.Fatalf("%v: %q", err, raw)
		}
		if got := (*m.(*rfc5424.SyslogMessage).StructuredData)[enterprise]["id"]; got != n.ID {
			t.Errorf("id %q", got)
		}
	})
}
