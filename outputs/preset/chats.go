package preset

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
)

func init() {
	const advice = " Set a rate, so that a flood becomes digests."
	register(outputs.Spec{
		Name: "discord", Title: "Discord", Concurrency: 1,
		Doc:     "Posts to a Discord channel through its webhook. Nothing in a message mentions anybody." + advice,
		Example: `discord: {type: discord, url: "${file:/run/secrets/discord}", rate: {limit: 20, per: 1m, overflow: digest}}`,
	}, discord{Username: "Tocsin"})
	register(outputs.Spec{
		Name: "mattermost", Title: "Mattermost", Concurrency: 1,
		Doc:     "Posts to Mattermost through an incoming webhook." + advice,
		Example: `mattermost: {type: mattermost, url: "${file:/run/secrets/mattermost}", channel: soc}`,
	}, mattermost{Username: "Tocsin"})
	register(outputs.Spec{
		Name: "teams", Title: "Microsoft Teams", Concurrency: 1,
		Doc:     "Posts an Adaptive Card to a Teams workflow (\"When a Teams webhook request is received\")." + advice,
		Example: `teams: {type: teams, url: "${file:/run/secrets/teams}"}`,
	}, teams{})
	register(outputs.Spec{
		Name: "google_chat", Title: "Google Chat", Concurrency: 1,
		Doc:     "Posts cards to a Google Chat space through its webhook; later messages about an alert go to its thread." + advice,
		Example: `chat: {type: google_chat, url: "${file:/run/secrets/google-chat}"}`,
	}, googleChat{Thread: true})
	register(outputs.Spec{
		Name: "telegram", Title: "Telegram", Concurrency: 1,
		Doc:     "Sends messages of a Telegram bot. Telegram takes about 20 messages a minute in a group." + advice,
		Example: `telegram: {type: telegram, token: "${env:TELEGRAM_TOKEN}", chat_id: "-1001234567890", rate: {limit: 20, per: 1m, overflow: digest}}`,
	}, telegram{URL: settings.NewSecret("https://api.telegram.org")})
}

// discord executes a webhook: https://discord.com/developers/docs/resources/webhook#execute-webhook
type discord struct {
	URL      settings.Secret `yaml:"url" required:"true" doc:"the channel's webhook" example:"${file:/run/secrets/discord}"`
	Username string          `yaml:"username" doc:"name that the messages bear"`
}

func (s *discord) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *discord) request(views []encode.View) (*request, error) {
	v := &views[0]
	text, err := s.URL.Value()
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("url is not valid")
	}
	q := target.Query()
	q.Set("wait", "true") // otherwise a message that is not taken is answered with success
	target.RawQuery = q.Encode()
	embed := object{
		"title": cut(markdown(heading(v)), 256), "description": cut(markdown(story(v)), 2000), "color": color(v),
		"timestamp": v.LastSeen.UTC().Format(time.RFC3339), "footer": object{"text": v.Notification.ID},
	}
	if v.URL != "" {
		embed["url"] = v.URL
	}
	var fields []object
	size := 0
	for _, f := range facts(v) { // an embed has at most 25 fields and 6,000 characters
		name, value := cut(markdown(f.name), 256), cut(markdown(f.value), 1024)
		if size += len([]rune(name + value)); size > 3500 || len(fields) == 25 {
			break
		}
		fields = append(fields, object{"name": name, "value": value, "inline": len(f.value) < 40})
	}
	embed["fields"] = fields
	return post(target.String(), nil, object{"username": s.Username, "embeds": []object{embed}, "allowed_mentions": object{"parse": []string{}}})
}

// mattermost speaks incoming webhooks: https://developers.mattermost.com/integrate/webhooks/incoming/
type mattermost struct {
	URL      settings.Secret `yaml:"url" required:"true" doc:"the incoming webhook" example:"${file:/run/secrets/mattermost}"`
	Channel  string          `yaml:"channel" doc:"channel; by default the webhook's"`
	Username string          `yaml:"username" doc:"name that the messages bear, where the server allows it"`
}

func (s *mattermost) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *mattermost) request(views []encode.View) (*request, error) {
	v := &views[0]
	target, err := s.URL.Value()
	if err != nil {
		return nil, err
	}
	fields := []object{}
	for _, f := range facts(v) {
		fields = append(fields, object{"title": markdown(f.name), "value": markdown(f.value), "short": len(f.value) < 40})
	}
	a := object{
		"fallback": clean(heading(v)), "color": fmt.Sprintf("#%06x", color(v)), "title": markdown(heading(v)), "text": markdown(story(v)),
		"fields": fields, "footer": v.Notification.ID,
	}
	if v.URL != "" {
		a["title_link"] = v.URL
	}
	body := object{"attachments": []object{a}}
	for k, x := range map[string]string{"channel": s.Channel, "username": s.Username} {
		if x != "" {
			body[k] = x
		}
	}
	return post(target, nil, body)
}

// teams posts to a workflow:
// https://learn.microsoft.com/power-automate/teams/send-a-message-in-teams, https://adaptivecards.io/explorer
type teams struct {
	URL settings.Secret `yaml:"url" required:"true" doc:"the workflow's address" example:"${file:/run/secrets/teams}"`
}

func (s *teams) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *teams) request(views []encode.View) (*request, error) {
	v := &views[0]
	target, err := s.URL.Value()
	if err != nil {
		return nil, err
	}
	list := []object{}
	for _, f := range facts(v) {
		list = append(list, object{"title": markdown(f.name), "value": markdown(f.value)})
	}
	style := [...]string{"default", "accent", "warning", "attention", "attention"}[min(v.Severity, 4)]
	card := object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "msteams": object{"width": "Full"},
		"body": []object{
			{"type": "TextBlock", "text": markdown(heading(v)), "weight": "Bolder", "size": "Large", "wrap": true, "color": style},
			{"type": "TextBlock", "text": markdown(story(v)), "wrap": true},
			{"type": "FactSet", "facts": list},
			{"type": "TextBlock", "text": v.Notification.ID, "isSubtle": true, "size": "Small"},
		},
	}
	if v.URL != "" {
		card["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open in Tocsin", "url": v.URL}}
	}
	return post(target, nil, object{"type": "message", "attachments": []object{
		{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card},
	}})
}

// googleChat speaks webhooks of Google Chat: https://developers.google.com/workspace/chat/quickstart/webhooks
type googleChat struct {
	URL    settings.Secret `yaml:"url" required:"true" doc:"the space's webhook" example:"${file:/run/secrets/google-chat}"`
	Thread bool            `yaml:"thread" doc:"whether messages about an alert share a thread"`
}

func (s *googleChat) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *googleChat) request(views []encode.View) (*request, error) {
	v := &views[0]
	text, err := s.URL.Value()
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("url is not valid")
	}
	widgets := []object{{"textParagraph": object{"text": html(story(v))}}}
	for _, f := range facts(v) {
		widgets = append(widgets, object{"decoratedText": object{"topLabel": clean(f.name), "text": html(f.value), "wrapText": true}})
	}
	if v.URL != "" {
		widgets = append(widgets, object{"buttonList": object{"buttons": []object{{"text": "Open in Tocsin", "onClick": object{"openLink": object{"url": v.URL}}}}}})
	}
	body := object{
		"fallbackText": clean(heading(v)),
		"cardsV2": []object{{"cardId": v.Notification.ID, "card": object{
			"header": object{"title": clean(heading(v)), "subtitle": clean(cut(v.Host, 100))}, "sections": []object{{"widgets": widgets}},
		}}},
	}
	if s.Thread && v.Notification.Alert != nil {
		body["thread"] = object{"threadKey": v.UID}
		q := target.Query()
		q.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
		target.RawQuery = q.Encode()
	}
	return post(target.String(), nil, body)
}

// telegram speaks the Bot API: https://core.telegram.org/bots/api#sendmessage
type telegram struct {
	Token    settings.Secret `yaml:"token" required:"true" doc:"token of the bot" example:"${env:TELEGRAM_TOKEN}"`
	ChatID   string          `yaml:"chat_id" required:"true" doc:"chat, a number or @channel, in quotes" example:"-1001234567890"`
	ThreadID int64           `yaml:"thread_id" doc:"topic of a group with topics"`
	URL      settings.Secret `yaml:"url" doc:"the Bot API, for a server of one's own"`
}

func (s *telegram) validate() error { return httpclient.CheckURL("url", s.URL) }

func (s *telegram) request(views []encode.View) (*request, error) {
	v := &views[0]
	token, err := s.Token.Value()
	if err != nil {
		return nil, err
	}
	target, err := base(s.URL, "/bot"+strings.TrimSpace(token)+"/sendMessage")
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("<b>" + html(heading(v)) + "</b>\n" + html(story(v)) + "\n")
	for _, f := range facts(v) { // 4,096 characters, counted without the tags
		line := "\n<b>" + html(f.name) + ":</b> " + html(f.value)
		if b.Len()+len(line) > 3800 {
			break
		}
		b.WriteString(line)
	}
	if v.URL != "" {
		b.WriteString("\n\n<a href=\"" + strings.ReplaceAll(html(v.URL), `"`, "%22") + "\">Open in Tocsin</a>")
	}
	b.WriteString("\n<code>" + html(v.Notification.ID) + "</code>")
	body := object{"chat_id": s.ChatID, "text": b.String(), "parse_mode": "HTML", "link_preview_options": object{"is_disabled": true}}
	if s.ThreadID != 0 {
		body["message_thread_id"] = s.ThreadID
	}
	r, err := post(target, nil, body)
	if err != nil {
		return nil, err
	}
	r.refused = func(answer []byte, err *httpclient.StatusError) error {
		var a struct {
			Description string
			Parameters  struct {
				RetryAfter int `json:"retry_after"`
			}
		}
		if json.Unmarshal(answer, &a) != nil {
			return nil
		}
		switch {
		case a.Parameters.RetryAfter > 0:
			return outputs.RetryAfter(min(time.Duration(a.Parameters.RetryAfter)*time.Second, time.Hour), err)
		case strings.Contains(a.Description, "chat not found"):
			return setup(err, "check chat_id, and add the bot to the chat")
		}
		return nil
	}
	return r, nil
}
