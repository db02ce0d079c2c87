// Package preset has the destinations that differ only in what one HTTP request says: Splunk, Elasticsearch, OpenSearch,
// Loki, Datadog; PagerDuty, Opsgenie, Alertmanager; Discord, Mattermost, Teams, Google Chat, Telegram. Each is a struct of
// settings that knows how to write a request and how to read its answer; sending, time-outs, TLS, and what a status code
// means is the same for all.
package preset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

// destination is the settings of one type.
type destination interface {
	// validate checks what can be checked without sending.
	validate() error
	// request writes what carries the notifications, at most as many as the type's Spec allows. An error means that they
	// can never be written, unless it comes from a secret that cannot be read.
	request(views []encode.View) (*request, error)
}

// request is a POST.
type request struct {
	url    string
	header http.Header // Content-Type is JSON where it is not set
	body   []byte
	// taken reads the answer to a 2xx where that may say that some were not taken; nil when it never does.
	taken func(answer []byte) error
	// refused tells more of any other answer than its code does; nil keeps err.
	refused func(answer []byte, err *httpclient.StatusError) error
}

// pointer is a pointer to D that is a destination.
type pointer[D any] interface {
	*D
	destination
}

// Settings are those of the destination and those that all of them have.
type Settings[D any, P pointer[D]] struct {
	Own     D                   `yaml:",inline"`
	Headers httpclient.Headers  `yaml:"headers" doc:"further headers of each request"`
	HTTP    httpclient.Settings `yaml:",inline"`

	batch int
}

// register makes a type known; defaults are the settings that it starts from.
func register[D any, P pointer[D]](spec outputs.Spec, defaults D) {
	spec.New = func() outputs.Settings { return &Settings[D, P]{Own: defaults, batch: max(spec.Batch, 1)} }
	outputs.Register(spec)
}

// Validate checks what can be checked without sending.
func (s *Settings[D, P]) Validate() error {
	return errors.Join(P(&s.Own).validate(), s.Headers.Check("Content-Type"))
}

// Open makes the output.
func (s *Settings[D, P]) Open(env outputs.Env) (outputs.Output, error) {
	client, err := httpclient.New(s.HTTP, env)
	if err != nil {
		return nil, err
	}
	return &output{dest: P(&s.Own), headers: s.Headers, secrets: secretsOf(&s.Own), batch: max(s.batch, 1), env: env, client: client}, nil
}

type output struct {
	dest    destination
	headers httpclient.Headers
	secrets []settings.Secret
	batch   int
	env     outputs.Env
	client  *httpclient.Client
	closed  atomic.Bool
}

// Send makes one request for each so many notifications as the type can take.
func (o *output) Send(ctx context.Context, batch []finding.Notification) error {
	if len(batch) <= o.batch {
		return o.send(ctx, batch)
	}
	errs := make([]error, len(batch))
	for from := 0; from < len(batch); from += o.batch {
		to := min(from+o.batch, len(batch))
		err := o.send(ctx, batch[from:to])
		var partial outputs.Partial
		if errors.As(err, &partial) {
			for i, e := range partial {
				errs[from+i] = e
			}
			continue
		}
		for i := from; i < to; i++ {
			errs[i] = err
		}
	}
	return outputs.Collect(errs)
}

func (o *output) send(ctx context.Context, batch []finding.Notification) error {
	if o.closed.Load() {
		return outputs.ErrClosed
	}
	views := make([]encode.View, len(batch))
	for i := range batch {
		views[i] = o.env.View(&batch[i])
	}
	r, err := o.dest.request(views)
	if err != nil {
		return err
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	if r.header.Get("Content-Type") == "" {
		r.header.Set("Content-Type", "application/json")
	}
	for k, list := range r.header {
		if !httpguts.ValidHeaderFieldValue(list[0]) {
			return errors.New("the value of " + k + " is none that HTTP allows: check the secret for spaces and newlines")
		}
	}
	if err := o.headers.Add(r.header); err != nil {
		return err
	}
	answer, err := o.client.Post(ctx, r.url, r.header, r.body, o.explain)
	var status *httpclient.StatusError
	switch {
	case err == nil && r.taken != nil:
		return r.taken(answer)
	case errors.As(err, &status) && r.refused != nil:
		if e := r.refused(answer, status); e != nil {
			return e
		}
	}
	return err
}

// explain finds what an answer says in words, under the names that such answers have.
func (o *output) explain(answer []byte) string {
	var v any
	if json.Unmarshal(answer, &v) != nil {
		return ""
	}
	text := words(v, 0)
	for _, s := range o.secrets {
		if value, err := s.Value(); err == nil && value != "" {
			text = strings.ReplaceAll(text, value, settings.Mask)
		}
	}
	return text
}

func words(v any, depth int) string {
	if depth > 4 {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var list []string
		for _, x := range v[:min(len(v), 3)] {
			if s := words(x, depth+1); s != "" {
				list = append(list, s)
			}
		}
		return strings.Join(list, ", ")
	case map[string]any:
		var list []string
		for _, k := range []string{"message", "text", "description", "reason", "error", "errors", "detail"} {
			if s := words(v[k], depth+1); s != "" {
				list = append(list, s)
			}
		}
		return strings.Join(list, ": ")
	}
	return ""
}

func (o *output) Close() error {
	o.closed.Store(true)
	o.client.Close()
	return nil
}

// secretsOf lists the secrets of a settings struct.
func secretsOf(s any) []settings.Secret {
	var out []settings.Secret
	v := reflect.ValueOf(s).Elem()
	for _, f := range settings.Fields(s) {
		if secret, ok := v.FieldByIndex(f.Index).Interface().(settings.Secret); ok {
			out = append(out, secret)
		}
	}
	return out
}

// object is JSON with keys in alphabetical order, which encoding/json writes.
type object = map[string]any

// post makes a request with a JSON body.
func post(target string, header http.Header, body any) (*request, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // receivers are no web pages
	if err := e.Encode(body); err != nil {
		return nil, outputs.Permanent(fmt.Errorf("encode message: %w", err))
	}
	return &request{url: target, header: header, body: bytes.TrimRight(b.Bytes(), "\n")}, nil
}

// base reads a server's address and adds the path of its API, unless the address has it already.
func base(s settings.Secret, path string) (string, error) {
	text, err := s.Value()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("url is not valid")
	}
	if !strings.HasSuffix(strings.TrimRight(u.Path, "/"), path) {
		u = u.JoinPath(path)
	}
	return u.String(), nil
}

// basic is the settings of HTTP's basic authentication.
type basic struct {
	Username string          `yaml:"username" doc:"user of HTTP basic authentication"`
	Password settings.Secret `yaml:"password" doc:"its password"`
}

func (b basic) add(h http.Header) error {
	if b.Username == "" {
		return nil
	}
	password, err := b.Password.Value()
	if err != nil {
		return err
	}
	r := http.Request{Header: h}
	r.SetBasicAuth(b.Username, password)
	return nil
}

// bearer sets a header to a secret behind a prefix; without the secret it does nothing.
func bearer(h http.Header, name, prefix string, s settings.Secret) error {
	if s.IsZero() {
		return nil
	}
	text, err := s.Value()
	if err != nil {
		return err
	}
	h.Set(name, prefix+strings.TrimSpace(text))
	return nil
}

// setup marks an error that somebody must mend in the configuration or at the receiver. It is temporary, so that
// messages wait for that rather than die.
func setup(err *httpclient.StatusError, hint string) error {
	return errors.New(err.Error() + "; " + hint)
}
