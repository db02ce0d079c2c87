// Package webhook sends notifications to any HTTP receiver, signed as Standard Webhooks say
// (https://www.standardwebhooks.com): one POST a notification, 2xx alone is success.
package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

// Settings of the type "webhook".
type Settings struct {
	URL     settings.Secret    `yaml:"url" required:"true" doc:"where to POST" example:"https://receiver.example/hook"`
	Secret  settings.Secret    `yaml:"secret" doc:"signing secrets, whsec_ and base64, or any text; several, separated by spaces or newlines, sign side by side while one is replaced"`
	Format  string             `yaml:"format" enum:"json,cloudevents,ocsf,ecs,splunk,cef,leef" doc:"form of the body"`
	Headers httpclient.Headers `yaml:"headers" doc:"further headers, such as Authorization"`

	httpclient.Settings `yaml:",inline"`
}

func init() {
	outputs.Register(outputs.Spec{
		Name: "webhook", Title: "Webhook", Concurrency: 16,
		Doc: "POSTs each notification to a URL, signed as Standard Webhooks say. `webhook-id` and `Idempotency-Key` are the same on every retry. " +
			"Only 2xx is success; `Retry-After` is honoured; 410 means that the receiver is gone and puts messages into the dead letters.",
		Example: `pager: {type: webhook, url: "${file:/run/secrets/pager}", secret: "${env:WEBHOOK_SECRET}", format: ocsf}`,
		New:     func() outputs.Settings { return &Settings{Format: "json"} },
	})
}

// Validate checks what can be checked without sending.
func (s *Settings) Validate() error {
	if err := httpclient.CheckURL("url", s.URL); err != nil {
		return err
	}
	if err := s.Headers.Check("Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Idempotency-Key"); err != nil {
		return err
	}
	if _, err := s.signers(); err != nil {
		return settings.Errorf("secret", "%v", err)
	}
	return nil
}

// signers reads the secrets anew, so that a rotated file takes effect at once.
func (s *Settings) signers() ([]*standardwebhooks.Webhook, error) {
	text, err := s.Secret.Value()
	if err != nil {
		return nil, err
	}
	var out []*standardwebhooks.Webhook
	for _, secret := range strings.Fields(text) {
		key := []byte(secret)
		if rest, ok := strings.CutPrefix(secret, "whsec_"); ok {
			if key, err = base64.StdEncoding.DecodeString(rest); err != nil {
				return nil, errors.New("what follows whsec_ is not base64")
			}
		}
		w, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, errors.New("the secret cannot be used")
		}
		out = append(out, w)
	}
	return out, nil
}

// Open makes the output.
func (s *Settings) Open(env outputs.Env) (outputs.Output, error) {
	format, err := encode.Lookup(s.Format)
	if err != nil {
		return nil, err
	}
	client, err := httpclient.New(s.Settings, env)
	if err != nil {
		return nil, err
	}
	return &output{s: s, env: env, format: format, client: client}, nil
}

type output struct {
	s      *Settings
	env    outputs.Env
	format encode.Format
	client *httpclient.Client
	closed atomic.Bool
	gone   atomic.Int64 // until when a receiver that answered 410 is left alone, Unix nanoseconds
}

// goneFor is how long a receiver that said 410 Gone is not asked again.
const goneFor = time.Minute

func (o *output) Send(ctx context.Context, batch []finding.Notification) error {
	errs := make([]error, len(batch))
	for i := range batch {
		errs[i] = o.send(ctx, &batch[i])
	}
	return outputs.Collect(errs)
}

func (o *output) send(ctx context.Context, n *finding.Notification) error {
	if o.closed.Load() {
		return outputs.ErrClosed
	}
	if until := o.gone.Load(); time.Now().UnixNano() < until {
		return outputs.Permanent(fmt.Errorf("the receiver answered 410 Gone and is left alone until %s", time.Unix(0, until).UTC().Format("15:04:05 MST")))
	}
	body, err := o.encode(n)
	if err != nil {
		return outputs.Permanent(err)
	}
	header, err := o.header(n, body)
	if err != nil {
		return err
	}
	target, err := o.s.URL.Value()
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	_, err = o.client.Post(ctx, target, header, body, nil)
	var status *httpclient.StatusError
	if errors.As(err, &status) && status.Code == http.StatusGone {
		o.gone.Store(time.Now().Add(goneFor).UnixNano())
	}
	return err
}

// Forwards implements outputs.Forwarder.
func (o *output) Forwards() bool { return o.format.Name == "json" }

func (o *output) encode(n *finding.Notification) ([]byte, error) {
	if n.Body != nil && o.Forwards() {
		return n.Body, nil
	}
	v := o.env.View(n)
	return o.format.Encode(&v)
}

func (o *output) header(n *finding.Notification, body []byte) (http.Header, error) {
	now := time.Now()
	h := http.Header{
		"Content-Type": {o.format.ContentType}, "Idempotency-Key": {n.ID},
		"Webhook-Id": {n.ID}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
	}
	signers, err := o.s.signers()
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	var signatures []string
	for _, s := range signers {
		sig, err := s.Sign(n.ID, now, body)
		if err != nil {
			return nil, outputs.Permanent(errors.New("the message cannot be signed"))
		}
		signatures = append(signatures, sig)
	}
	if signatures != nil {
		h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return h, o.s.Headers.Add(h)
}

func (o *output) Close() error {
	o.closed.Store(true)
	o.client.Close()
	return nil
}
