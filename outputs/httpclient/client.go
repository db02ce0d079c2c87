// Package httpclient is the HTTP side that outputs share: TLS settings, a guard against requests to places where no
// receiver lives, and the reading of answers, so that each output means the same by "taken", "later" and "never".
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs"
)

// TLS says how a server is checked, and how this side shows itself.
type TLS struct {
	CA         string `yaml:"ca" doc:"file with the authorities to trust, PEM; by default the system's"`
	Cert       string `yaml:"cert" doc:"file with the client certificate, PEM"`
	Key        string `yaml:"key" doc:"file with its private key, PEM"`
	ServerName string `yaml:"server_name" doc:"name that the server's certificate must carry"`
	Insecure   bool   `yaml:"insecure_skip_verify" doc:"accept any certificate; for trials only"`
}

// Config makes the configuration of crypto/tls. Certificate files are read again for each connection, so that a renewed
// one takes effect.
func (t *TLS) Config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return cfg, nil
	}
	cfg.ServerName, cfg.InsecureSkipVerify = t.ServerName, t.Insecure
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("tls: cert and key belong together")
	}
	if t.Cert != "" {
		if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			return &c, err
		}
	}
	return cfg, nil
}

// Settings are the settings that all HTTP outputs have.
type Settings struct {
	TLS   *TLS            `yaml:"tls" doc:"TLS to the server"`
	Proxy settings.Secret `yaml:"proxy" doc:"address of an HTTP proxy; by default as HTTPS_PROXY and NO_PROXY say"`
	Guard string          `yaml:"guard" enum:"metadata,public,off" doc:"addresses that are refused: metadata (link-local and cloud metadata), public (all that are not public), off (none)"`
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	userAgent []string
	last      atomic.Pointer[target]
}

// target is a URL that was parsed.
type target struct {
	text, host string
	url        *url.URL
}

// New makes a client. Redirects are not followed: a receiver that moved is a configuration to be mended, and following
// would send secrets elsewhere.
func New(s Settings, env outputs.Env) (*Client, error) {
	cfg, err := s.TLS.Config()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	switch s.Guard {
	case "", "metadata":
		dialer.Control = refuseMetadata
	case "public":
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	proxy := http.ProxyFromEnvironment
	if !s.Proxy.IsZero() {
		proxy = func(*http.Request) (*url.URL, error) {
			text, err := s.Proxy.Value()
			if err != nil {
				return nil, err
			}
			u, err := url.Parse(text)
			if err != nil {
				return nil, errors.New("proxy is no URL")
			}
			return u, nil
		}
	}
	return &Client{
		http: &http.Client{
			Transport: &transport{Transport: &http.Transport{
				Proxy: proxy, DialContext: dialer.DialContext, TLSClientConfig: cfg, ForceAttemptHTTP2: true,
				MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleFor,
				TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second, DisableCompression: true,
			}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		userAgent: []string{"tocsin/" + env.Version},
	}, nil
}

// HTTP returns the client for a library that brings its own protocol.
func (c *Client) HTTP() *http.Client { return c.http }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// metadata are the addresses at which clouds answer with credentials: AWS, Azure, Oracle and Alibaba; those at
// 169.254.169.254 are link-local.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("192.0.0.192"):     true,
	netip.MustParseAddr("100.100.100.200"): true,
}

// refuseMetadata is called with the resolved address, so that a name cannot hide it.
func refuseMetadata(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if a := ap.Addr().Unmap().WithZone(""); a.IsLinkLocalUnicast() || metadata[a] {
		return outputs.Permanent(fmt.Errorf("address %s is link-local or a cloud's metadata service, where no receiver lives; set guard: off to allow it", a))
	}
	return nil
}

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// Post sends a body and returns the answer of a 2xx. Any other answer is an error of package outputs; its body is part
// of the error when explain turns it into text (nil leaves it out, for it may echo what must not be shown).
func (c *Client) Post(ctx context.Context, target string, header http.Header, body []byte, explain func([]byte) string) ([]byte, error) {
	return c.Do(ctx, http.MethodPost, target, header, body, explain)
}

// Do is Post with another method. The header is the request's from then on.
func (c *Client) Do(ctx context.Context, method, target string, header http.Header, body []byte, explain func([]byte) string) ([]byte, error) {
	to, err := c.parse(target)
	if err != nil {
		return nil, outputs.Permanent(errors.New("the URL is not valid")) // its text may be secret
	}
	req, err := http.NewRequestWithContext(ctx, method, "", bytes.NewReader(body))
	if err != nil {
		return nil, outputs.Permanent(err)
	}
	req.URL, req.Host = to.url, to.host
	if header != nil {
		req.Header = header
	}
	req.Header["User-Agent"] = c.userAgent
	if u := to.url.User; u != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	// All that http.Client does beyond this is for redirects and cookies.
	resp, err := c.http.Transport.RoundTrip(req)
	if err != nil {
		return nil, Clean(err)
	}
	var answer []byte
	var readErr error
	if resp.Body != http.NoBody {
		answer, readErr = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection lives on
		_ = resp.Body.Close()
	}
	if resp.StatusCode/100 == 2 {
		if readErr != nil {
			return nil, fmt.Errorf("read answer: %w", Clean(readErr))
		}
		return answer, nil
	}
	text := ""
	if explain != nil {
		text = Printable(explain(answer))
	}
	return answer, Status(resp.StatusCode, resp.Header, text)
}

// parse parses a URL; most outputs have one.
func (c *Client) parse(text string) (*target, error) {
	if t := c.last.Load(); t != nil && t.text == text {
		return t, nil
	}
	req, err := http.NewRequest(http.MethodPost, text, nil)
	if err != nil {
		return nil, err
	}
	if req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, errors.New("no URL of HTTP")
	}
	t := &target{text, req.Host, req.URL}
	c.last.Store(t)
	return t, nil
}

// Clean takes the URL out of an error of net/http: it may hold a secret.
func Clean(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Code int
	Text string // what the receiver said, if it may be shown
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("answer %d %s", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		msg += ": " + e.Text
	}
	if e.Code/100 == 3 {
		msg += " (redirects are not followed: write the final URL)"
	}
	return msg
}

// Status says what an answer that is not 2xx means. The payload is at fault (never again) with 400, 405, 406, 411, 413,
// 414, 415, 422 and 501, and 410 says that the receiver is gone; everything else may be mended on the other side or in
// the configuration and is tried again, after Retry-After where the answer has it.
func Status(code int, h http.Header, text string) error {
	err := &StatusError{code, text}
	switch code {
	case 400, 405, 406, 410, 411, 413, 414, 415, 422, 501:
		return outputs.Permanent(err)
	}
	if d, ok := RetryAfter(h, time.Now()); ok {
		return outputs.RetryAfter(d, err)
	}
	return err
}

// maxRetryAfter bounds how long a receiver may keep an output waiting.
const maxRetryAfter = time.Hour

// RetryAfter reads the header, in seconds or as a date (RFC 9110, 10.2.3).
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 {
		return min(time.Duration(min(s, 1e6)*float64(time.Second)), maxRetryAfter), true
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

// Printable cuts a text of the other side to one line that can be shown.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
