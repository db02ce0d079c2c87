// Package slack posts notifications to Slack: with a bot token and a channel (chat.postMessage), where an alert's later
// messages go to its thread, or through an incoming webhook.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

// Settings of the type "slack".
type Settings struct {
	Token   settings.Secret   `yaml:"token" doc:"bot token with the scope chat:write" example:"${env:SLACK_TOKEN}"`
	Channel string            `yaml:"channel" doc:"channel for the bot, by name or id" example:"#soc"`
	URL     settings.Secret   `yaml:"url" doc:"incoming webhook, instead of token and channel; without threads"`
	Thread  bool              `yaml:"thread" doc:"whether updates of an alert go to its thread"`
	Mention map[string]string `yaml:"mention" doc:"whom to mention, by least severity" example:"{critical: \"<!here>\"}"`
	APIURL  string            `yaml:"api_url" doc:"the Web API, for a compatible server"`

	httpclient.Settings `yaml:",inline"`
}

func init() {
	outputs.Register(outputs.Spec{
		Name: "slack", Title: "Slack", Concurrency: 1, // Slack takes about one message a second in a channel
		Doc: "Posts to a Slack channel. With a bot token, updates, reminders and the end of an alert go to the alert's thread, and the first message shows when it is closed. " +
			"Invite the app to the channel. Slack takes about one message a second in a channel: set a rate, so that a flood becomes digests.",
		Example: `soc: {type: slack, channel: "#soc", token: "${env:SLACK_TOKEN}", rate: {limit: 20, per: 1m, overflow: digest}}`,
		New:     func() outputs.Settings { return &Settings{Thread: true, APIURL: slackapi.APIURL} },
	})
}

// Validate checks what can be checked without sending.
func (s *Settings) Validate() error {
	var errs []error
	switch {
	case s.URL.IsZero() && s.Token.IsZero():
		errs = append(errs, errors.New("needs a token and a channel, or the url of an incoming webhook"))
	case !s.URL.IsZero() && !s.Token.IsZero():
		errs = append(errs, settings.Errorf("url", "url and token exclude each other"))
	case !s.Token.IsZero() && s.Channel == "":
		errs = append(errs, settings.Errorf("channel", "the token needs a channel"))
	}
	if !s.URL.IsZero() {
		if u, err := s.URL.Value(); err != nil || !strings.HasPrefix(u, "http") {
			errs = append(errs, settings.Errorf("url", "must be a URL that starts with https://"))
		}
	}
	if s.APIURL != "" && !strings.HasSuffix(s.APIURL, "/") {
		errs = append(errs, settings.Errorf("api_url", "must end with a slash"))
	}
	for k := range s.Mention {
		if _, err := finding.ParseSeverity(k); err != nil {
			errs = append(errs, settings.Errorf("mention."+k, "%v", err))
		}
	}
	return errors.Join(errs...)
}

// Open makes the output.
func (s *Settings) Open(env outputs.Env) (outputs.Output, error) {
	client, err := httpclient.New(s.Settings, env)
	if err != nil {
		return nil, err
	}
	return &output{s: s, env: env, client: client}, nil
}

type output struct {
	s      *Settings
	env    outputs.Env
	client *httpclient.Client
	closed atomic.Bool
}

func (o *output) Send(ctx context.Context, batch []finding.Notification) error {
	errs := make([]error, len(batch))
	for i := range batch {
		if o.closed.Load() {
			errs[i] = outputs.ErrClosed
		} else {
			errs[i] = o.send(ctx, &batch[i])
		}
	}
	return outputs.Collect(errs)
}

func (o *output) Close() error {
	o.closed.Store(true)
	o.client.Close()
	return nil
}

func (o *output) send(ctx context.Context, n *finding.Notification) error {
	v := o.env.View(n)
	mention := o.mention(v.Severity)
	if !o.s.URL.IsZero() {
		return o.webhook(ctx, slackapi.WebhookMessage{Text: fallback(&v), Blocks: &slackapi.Blocks{BlockSet: blocks(&v, mention)}})
	}
	if n.Alert == nil || !o.s.Thread {
		_, err := o.post(ctx, o.s.Channel, "", &v, blocks(&v, mention))
		return err
	}
	key := o.env.Name + ".thread." + n.Alert.ID
	th, found, err := o.thread(ctx, key)
	if err != nil {
		return fmt.Errorf("look up thread: %w", err)
	}
	if found && n.Attempt > 0 && th.Notification == n.ID {
		return nil // it was posted, only the acknowledgement got lost
	}
	if !found || n.Kind == finding.KindAlert {
		th, err = o.post(ctx, o.s.Channel, "", &v, blocks(&v, mention))
	} else {
		ts := th.TS
		_, err = o.post(ctx, th.Channel, ts, &v, reply(&v, mention))
		var slackErr slackapi.SlackErrorResponse
		if errors.As(err, &slackErr) && slices.Contains([]string{"thread_not_found", "message_not_found", "invalid_thread_ts"}, slackErr.Err) {
			// Somebody deleted the first message: begin anew.
			th, err = o.post(ctx, o.s.Channel, "", &v, blocks(&v, mention))
		} else if err == nil && n.Kind == finding.KindClosed {
			o.update(ctx, th, &v)
		}
	}
	if err != nil {
		return err
	}
	th.Notification = n.ID
	o.remember(ctx, key, th)
	return nil
}

// mention gives the text for the highest severity that is not above sev.
func (o *output) mention(sev finding.Severity) string {
	text, best := "", -1
	for k, m := range o.s.Mention {
		if s, err := finding.ParseSeverity(k); err == nil && s <= sev && int(s) > best {
			text, best = m, int(s)
		}
	}
	return text
}

// thread is where an alert's messages are.
type thread struct {
	Channel      string `json:"channel"`
	TS           string `json:"ts"`
	Notification string `json:"notification"` // the last one posted
}

func (o *output) thread(ctx context.Context, key string) (thread, bool, error) {
	raw, found, err := o.env.State.Get(ctx, key)
	if err != nil || !found {
		return thread{}, false, err
	}
	var th thread
	if err := json.Unmarshal(raw, &th); err != nil || th.TS == "" {
		return thread{}, false, nil
	}
	return th, true, nil
}

// remember keeps the thread. When that fails the message is out all the same: at worst the next one begins a new thread.
func (o *output) remember(ctx context.Context, key string, th thread) {
	raw, err := json.Marshal(th)
	if err == nil {
		err = o.env.State.Put(ctx, key, raw)
	}
	if err != nil {
		o.env.Log.Warn("cannot remember the thread of an alert", "error", err)
	}
}

func (o *output) api() (*slackapi.Client, error) {
	token, err := o.s.Token.Value()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	options := []slackapi.Option{slackapi.OptionHTTPClient(o.client.HTTP())}
	if o.s.APIURL != "" {
		options = append(options, slackapi.OptionAPIURL(o.s.APIURL))
	}
	return slackapi.New(token, options...), nil
}

func (o *output) post(ctx context.Context, channel, ts string, v *encode.View, bs []slackapi.Block) (thread, error) {
	api, err := o.api()
	if err != nil {
		return thread{}, err
	}
	options := []slackapi.MsgOption{
		slackapi.MsgOptionText(fallback(v), false), slackapi.MsgOptionBlocks(bs...),
		slackapi.MsgOptionDisableLinkUnfurl(), slackapi.MsgOptionDisableMediaUnfurl(),
		slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: "tocsin_notification", EventPayload: map[string]any{"id": v.Notification.ID, "alert": v.UID}}),
	}
	if ts != "" {
		options = append(options, slackapi.MsgOptionTS(ts))
	}
	id, posted, _, err := api.SendMessageContext(ctx, channel, options...)
	if err != nil {
		return thread{}, classify(err)
	}
	if posted == "" {
		return thread{}, errors.New("Slack's answer holds no message")
	}
	return thread{Channel: id, TS: posted}, nil
}

// update shows on the first message that the alert is closed. It is an extra: failing does not matter.
func (o *output) update(ctx context.Context, th thread, v *encode.View) {
	api, err := o.api()
	if err == nil {
		_, _, _, err = api.SendMessageContext(ctx, th.Channel, slackapi.MsgOptionUpdate(th.TS),
			slackapi.MsgOptionText(fallback(v), false), slackapi.MsgOptionBlocks(blocks(v, "")...))
	}
	if err != nil {
		o.env.Log.Debug("cannot update the first message of an alert", "error", classify(err))
	}
}

func (o *output) webhook(ctx context.Context, msg slackapi.WebhookMessage) error {
	target, err := o.s.URL.Value()
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	body, err := json.Marshal(msg)
	if err != nil {
		return outputs.Permanent(fmt.Errorf("encode message: %w", err))
	}
	_, err = o.client.Post(ctx, target, http.Header{"Content-Type": {"application/json"}}, body, func(b []byte) string { return string(b) })
	var status *httpclient.StatusError
	if errors.As(err, &status) && status.Code == http.StatusGone {
		return status // channel_is_archived: someone can mend that
	}
	return err
}

// payloadErrors are Slack's words for messages that it will never take.
var payloadErrors = []string{
	"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "too_many_attachments", "invalid_arguments",
	"invalid_arg_name", "invalid_array_arg", "invalid_form_data", "invalid_json", "json_not_object", "metadata_too_large", "invalid_metadata_format",
	"metadata_must_be_sent_from_app",
}

// hints say what to do about errors of the set-up.
var hints = map[string]string{
	"channel_not_found":  "check the channel's name, and invite the app to it if it is private",
	"not_in_channel":     "invite the app to the channel, or give it the scope chat:write.public",
	"is_archived":        "the channel is archived",
	"invalid_auth":       "the token is wrong",
	"not_authed":         "the token is empty",
	"account_inactive":   "the app was removed from the workspace",
	"token_revoked":      "the token was revoked: install the app again",
	"token_expired":      "the token has expired",
	"missing_scope":      "give the app the scope chat:write and install it again",
	"restricted_action":  "the workspace's settings forbid the app to post there",
	"team_access_denied": "the token is of another workspace",
}

// classify turns an error of the library into one that says what to do. What is wrong with the set-up is temporary:
// messages wait until somebody has mended it.
func classify(err error) error {
	var limited *slackapi.RateLimitedError
	var status slackapi.StatusCodeError
	var said slackapi.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return outputs.RetryAfter(limited.RetryAfter, errors.New("Slack's rate limit is reached"))
	case errors.As(err, &said):
		switch {
		case said.Err == "ratelimited" || said.Err == "rate_limited" || said.Err == "message_limit_exceeded":
			return outputs.RetryAfter(30*time.Second, errors.New("Slack's rate limit is reached"))
		case slices.Contains(payloadErrors, said.Err):
			return outputs.Permanent(fmt.Errorf("Slack says %w", said))
		case hints[said.Err] != "":
			return fmt.Errorf("Slack says %w: %s", said, hints[said.Err])
		}
		return fmt.Errorf("Slack says %w", said)
	case errors.As(err, &status):
		return httpclient.Status(status.Code, nil, "")
	case errors.As(err, new(*json.SyntaxError)), errors.As(err, new(*json.UnmarshalTypeError)), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the answer is not Slack's: look at api_url, and at proxies in between")
	}
	return httpclient.Clean(err)
}
