// Package syslog sends notifications as RFC 5424 messages over UDP (RFC 5426), TCP with octet counting (RFC 6587) or TLS
// (RFC 5425). The writer is our own: the libraries either write the older format or drop values they do not like.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

// Settings of the type "syslog".
type Settings struct {
	Addr     string          `yaml:"addr" required:"true" doc:"the server: udp://host:514, tcp://host:601 or tls://host:6514" example:"tls://siem:6514"`
	Format   string          `yaml:"format" enum:"text,json,cloudevents,ocsf,ecs,splunk,cef,leef" doc:"form of the message's text; text is one readable line"`
	Facility string          `yaml:"facility" enum:"user,mail,daemon,auth,syslog,lpr,news,uucp,cron,authpriv,ftp,local0,local1,local2,local3,local4,local5,local6,local7" doc:"facility of the messages"`
	AppName  string          `yaml:"app_name" doc:"APP-NAME of the messages"`
	MaxSize  int             `yaml:"max_size" doc:"longest message in bytes; a longer one is cut, 0 for 8192 over UDP and 65536 otherwise"`
	TLS      *httpclient.TLS `yaml:"tls" doc:"TLS to the server, with tls://"`
}

func init() {
	outputs.Register(outputs.Spec{
		Name: "syslog", Title: "Syslog", Batch: 100, Concurrency: 1,
		Doc: "Sends RFC 5424 messages over UDP, TCP (octet counting, RFC 6587) or TLS (RFC 5425). The host field is the finding's host; identity, " +
			"rule, severity and ATT&CK are in the structured data. Syslog has no answers: what a server takes and then loses, nobody is told. Prefer tls:// or tcp:// to udp://.",
		Example: `siem: {type: syslog, addr: tls://siem:6514, format: cef}`,
		New:     func() outputs.Settings { return &Settings{Format: "text", Facility: "local0", AppName: "tocsin"} },
	})
}

// Validate checks what can be checked without sending.
func (s *Settings) Validate() error {
	var errs []error
	if _, _, err := s.addr(); err != nil {
		errs = append(errs, settings.Errorf("addr", "%v", err))
	}
	if _, err := facility(s.Facility); err != nil {
		errs = append(errs, settings.Errorf("facility", "%v", err))
	}
	if s.AppName == "" || len(s.AppName) > maxAppName || strings.ContainsFunc(s.AppName, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		errs = append(errs, settings.Errorf("app_name", "must be 1 to %d printable ASCII characters without spaces", maxAppName))
	}
	if s.MaxSize != 0 && s.MaxSize < 480 { // RFC 5424, 6.1: what every receiver must take
		errs = append(errs, settings.Errorf("max_size", "must be 480 or more"))
	}
	return errors.Join(errs...)
}

func (s *Settings) addr() (network, addr string, err error) {
	u, err := url.Parse(s.Addr)
	if err != nil || u.Host == "" || u.Path != "" || !slices.Contains([]string{"udp", "tcp", "tls"}, u.Scheme) {
		return "", "", errors.New("must be udp://host:port, tcp://host:port or tls://host:port")
	}
	addr = u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"udp": "514", "tcp": "601", "tls": "6514"}[u.Scheme])
	}
	return u.Scheme, addr, nil
}

// Open makes the output.
func (s *Settings) Open(env outputs.Env) (outputs.Output, error) {
	o := &output{s: s, env: env, maxSize: s.MaxSize, turn: make(chan struct{}, 1)}
	o.life, o.end = context.WithCancel(context.Background())
	var err error
	if o.network, o.addr, err = s.addr(); err != nil {
		return nil, err
	}
	if o.facility, err = facility(s.Facility); err != nil {
		return nil, err
	}
	if s.Format != "" && s.Format != "text" {
		f, err := encode.Lookup(s.Format)
		if err != nil {
			return nil, err
		}
		o.encode = f.Encode
	}
	if o.tls, err = s.TLS.Config(); err != nil {
		return nil, err
	}
	if o.tls.ServerName == "" {
		o.tls.ServerName, _, _ = net.SplitHostPort(o.addr)
	}
	if o.maxSize == 0 {
		o.maxSize = 65536
		if o.network == "udp" {
			o.maxSize = 8192
		}
	}
	return o, nil
}

type output struct {
	s        *Settings
	env      outputs.Env
	network  string
	addr     string
	facility int
	encode   func(*encode.View) ([]byte, error) // nil for text
	tls      *tls.Config
	maxSize  int

	life context.Context // until Close
	end  context.CancelFunc
	turn chan struct{} // one writer at a time, so that messages don't mix; holds what follows
	conn net.Conn
	lost chan struct{} // closed when the server has ended conn
}

// Send writes the batch at once. An error means that none of it may have arrived; the receiver can tell repeats by id.
func (o *output) Send(ctx context.Context, batch []finding.Notification) error {
	messages := make([][]byte, len(batch))
	errs := make([]error, len(batch))
	bad := false
	for i := range batch {
		messages[i], errs[i] = o.message(&batch[i])
		bad = bad || errs[i] != nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.life, cancel)()
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
	}
	if o.life.Err() != nil {
		return outputs.ErrClosed
	}
	if ctx.Err() != nil {
		return errors.New("no progress in time")
	}
	if err := o.write(ctx, messages); err != nil {
		if ctx.Err() != nil {
			return errors.New("no progress in time")
		}
		return err
	}
	if bad {
		return outputs.Collect(errs)
	}
	return nil
}

func (o *output) message(n *finding.Notification) ([]byte, error) {
	v := o.env.View(n)
	body := []byte(v.Title + ": " + v.Text)
	if o.encode != nil {
		var err error
		if body, err = o.encode(&v); err != nil {
			return nil, outputs.Permanent(err)
		}
	}
	m := appendMessage(nil, o.facility, o.s.AppName, &v, oneLine(body))
	if len(m) > o.maxSize {
		o.env.Log.Warn("syslog message is cut", "id", n.ID, "bytes", len(m), "max_size", o.maxSize)
		m = []byte(strings.ToValidUTF8(string(m[:o.maxSize]), ""))
	}
	return m, nil
}

func (o *output) write(ctx context.Context, messages [][]byte) error {
	conn, err := o.connect(ctx)
	if err != nil {
		return err
	}
	// The context ends a write that hangs because the server does not read.
	defer context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })()
	if o.network == "udp" {
		for _, m := range messages {
			if m == nil {
				continue
			}
			if _, err = conn.Write(m); err != nil {
				break
			}
		}
	} else {
		var b []byte
		for _, m := range messages {
			if m != nil {
				b = frame(b, m)
			}
		}
		_, err = conn.Write(b)
	}
	if err != nil {
		o.disconnect()
		return fmt.Errorf("write to syslog server: %w", err)
	}
	return nil
}

// connect returns the connection, a new one when there is none or the server has closed it. Without looking for that,
// messages written to a half-closed connection would be lost without an error.
func (o *output) connect(ctx context.Context) (net.Conn, error) {
	if o.conn != nil {
		select {
		case <-o.lost:
			o.disconnect()
		default:
			return o.conn, nil
		}
	}
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	var conn net.Conn
	var err error
	switch o.network {
	case "tls":
		conn, err = (&tls.Dialer{NetDialer: &dialer, Config: o.tls}).DialContext(ctx, "tcp", o.addr)
	default:
		conn, err = dialer.DialContext(ctx, o.network, o.addr)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to syslog server: %w", err)
	}
	o.conn, o.lost = conn, make(chan struct{})
	if o.network != "udp" {
		go watch(conn, o.lost)
	}
	return conn, nil
}

// watch reads until the server ends the connection; syslog servers say nothing.
func watch(conn net.Conn, lost chan<- struct{}) {
	defer close(lost)
	b := make([]byte, 64)
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

func (o *output) disconnect() {
	if o.conn != nil {
		_ = o.conn.Close()
		o.conn = nil
	}
}

func (o *output) Close() error {
	o.end()
	o.turn <- struct{}{}
	o.disconnect()
	<-o.turn
	return nil
}
