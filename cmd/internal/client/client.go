// Package client speaks to Tocsin's REST API.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// answerMax bounds an answer, in bytes.
const answerMax = 64 << 20

// Client is one server and who asks. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// New returns a client of the server at address, "http://127.0.0.1:8700". token may be empty.
func New(address, token string) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q: write it as http://127.0.0.1:8700", address)
	}
	// A stream has no end: time-outs are those of the calls' contexts.
	return &Client{base: u, token: token, http: &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: time.Minute}}}, nil
}

// Error is a problem that the server answered with (RFC 9457).
type Error struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	if e.Detail == "" {
		fmt.Fprintf(&b, "%d %s", e.Status, e.Title)
	}
	for _, x := range e.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", x.Location, x.Message)
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		b.WriteString(" (the token comes from TOCSIN_TOKEN)")
	}
	return b.String()
}

// Get reads path with a query into out.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.do(ctx, http.MethodGet, path, query, nil, nil, out)
	return err
}

// Ready returns nil when the server says that all its parts do their work: in one process the sensor as well.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "../readyz", nil, nil, nil, nil)
	return err
}

// Send sends body with a method; the answer goes to out unless it is nil. It returns the answer's header.
func (c *Client) Send(ctx context.Context, method, path string, header http.Header, body, out any) (http.Header, error) {
	return c.do(ctx, method, path, nil, header, body, out)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, header http.Header, body, out any) (http.Header, error) {
	res, err := c.request(ctx, method, path, query, header, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if out == nil {
		return res.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, answerMax)).Decode(out); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return res.Header, nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, header http.Header, body any) (*http.Response, error) {
	path, own, _ := strings.Cut(path, "?")
	u := c.base.JoinPath("v1", path)
	u.RawQuery = own
	if len(query) > 0 {
		u.RawQuery = query.Encode()
	}
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), in)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("nothing listens at %s: start Tocsin (sudo tocsin run), or name its address with --server", c.base)
		}
		return nil, err
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	problem := &Error{}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if json.Unmarshal(text, problem) != nil || problem.Status == 0 {
		problem = &Error{Status: res.StatusCode, Title: http.StatusText(res.StatusCode), Detail: fmt.Sprintf("%s answered %s", c.base, res.Status)}
	}
	return nil, problem
}

// Event is one event of a stream (server-sent events).
type Event struct {
	ID, Name string
	Data     []byte // valid until the next event
}

// Stream calls f with each event of a stream until ctx is done, f returns an error, or the server ends it. lastID, when
// it is not empty, is where to go on.
func (c *Client) Stream(ctx context.Context, path string, query url.Values, lastID string, f func(Event) error) error {
	header := http.Header{"Accept": {"text/event-stream"}}
	if lastID != "" {
		header.Set("Last-Event-Id", lastID)
	}
	res, err := c.request(ctx, http.MethodGet, path, query, header, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return readEvents(res.Body, f)
}

func readEvents(r io.Reader, f func(Event) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), 16<<20)
	var ev Event
	for sc.Scan() {
		field, value, _ := strings.Cut(sc.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case sc.Text() == "":
			if len(ev.Data) > 0 {
				if err := f(ev); err != nil {
					return err
				}
			}
			ev = Event{ID: ev.ID}
		case field == "id":
			ev.ID = value
		case field == "event":
			ev.Name = value
		case field == "data":
			if len(ev.Data) > 0 {
				ev.Data = append(ev.Data, '\n')
			}
			ev.Data = append(ev.Data, value...)
		}
	}
	return sc.Err()
}
