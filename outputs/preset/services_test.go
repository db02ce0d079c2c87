package preset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The servers below check what the services check, and answer in their words. They give the ids of what they have taken.

func refuse(w http.ResponseWriter, code int, text string) ([]string, error) {
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
	return nil, fmt.Errorf("refused with %d %s", code, text)
}

func tooLong(s string, n int) bool { return utf8.RuneCountInString(s) > n }

func hec(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	switch {
	case r.URL.Path != "/services/collector/event" && r.URL.Path != "/services/collector":
		return refuse(w, 404, `{"text":"The requested URL was not found on this server.","code":404}`)
	case r.Header.Get("Authorization") != "Splunk "+token:
		return refuse(w, 403, `{"text":"Invalid token","code":4}`)
	}
	var ids []string
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for d.More() {
		var e struct {
			Time       json.Number
			Host       string
			Index      string
			SourceType string
			Event      json.RawMessage
			Fields     map[string]any
		}
		if err := d.Decode(&e); err != nil {
			return refuse(w, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`)
		}
		if len(e.Event) == 0 {
			return refuse(w, 400, `{"text":"Event field is required","code":12}`)
		}
		for _, v := range e.Fields { // indexed fields are strings or lists of strings
			switch v := v.(type) {
			case string:
			case []any:
				for _, x := range v {
					if _, ok := x.(string); !ok {
						return refuse(w, 400, `{"text":"Error in handling indexed fields","code":15}`)
					}
				}
			default:
				return refuse(w, 400, `{"text":"Error in handling indexed fields","code":15}`)
			}
		}
		if s, err := e.Time.Float64(); err != nil || s < 1e9 || s > 1e10 || e.Index != "security" || !strings.HasPrefix(e.SourceType, "tocsin:") {
			return nil, fmt.Errorf("time %s, index %q, source type %q", e.Time, e.Index, e.SourceType)
		}
		ids = append(ids, fmt.Sprint(e.Fields["notification_id"]))
	}
	if ids == nil {
		return refuse(w, 400, `{"text":"No data","code":5}`)
	}
	_, _ = w.Write([]byte(`{"text":"Success","code":0}`))
	return ids, nil
}

func bulkAPI(path, auth string) func(http.ResponseWriter, *http.Request, []byte) ([]string, error) {
	return func(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
		switch {
		case r.Header.Get("Authorization") != auth:
			return refuse(w, 401, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`)
		case r.URL.Path != path:
			return refuse(w, 404, `{"error":"no handler found","status":404}`)
		case r.Header.Get("Content-Type") != "application/x-ndjson" && r.Header.Get("Content-Type") != "application/json":
			return refuse(w, 406, `{"error":"Content-Type header is not supported","status":406}`)
		case !bytes.HasSuffix(body, []byte("\n")):
			return refuse(w, 400, `{"error":{"type":"illegal_argument_exception","reason":"The bulk request must be terminated by a newline [\\n]"},"status":400}`)
		}
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		var ids, items []string
		for i := 0; i+1 < len(lines); i += 2 {
			var action map[string]struct {
				ID string `json:"_id"`
			}
			var doc struct {
				Timestamp time.Time `json:"@timestamp"`
			}
			if json.Unmarshal([]byte(lines[i]), &action) != nil || len(action) != 1 || action["create"].ID == "" {
				return refuse(w, 400, `{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line"},"status":400}`)
			}
			if err := json.Unmarshal([]byte(lines[i+1]), &doc); err != nil || doc.Timestamp.IsZero() {
				return nil, fmt.Errorf("document without @timestamp: %v", err)
			}
			ids, items = append(ids, action["create"].ID), append(items, `{"create":{"status":201}}`)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.Join(items, ","))
		return ids, nil
	}
}

func lokiPush(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var push struct {
		Streams []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
	switch {
	case r.URL.Path != "/loki/api/v1/push":
		return refuse(w, 404, "404 page not found")
	case r.Header.Get("X-Scope-OrgID") != "t1" || r.Header.Get("Authorization") != "Bearer "+token:
		return refuse(w, 401, "no org id")
	case json.Unmarshal(body, &push) != nil:
		return refuse(w, 400, "couldn't parse push request")
	}
	var ids []string
	for _, s := range push.Streams {
		if len(s.Stream) == 0 || len(s.Stream) > 15 {
			return refuse(w, 400, "error at least one label pair is required per stream")
		}
		last := ""
		for _, v := range s.Values {
			var line struct{ ID string }
			if len(v[0]) != 19 || v[0] < last || json.Unmarshal([]byte(v[1]), &line) != nil {
				return nil, fmt.Errorf("entry %q", v)
			}
			last = v[0]
			ids = append(ids, line.ID)
		}
	}
	w.WriteHeader(204)
	return ids, nil
}

func datadogIntake(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var logs []struct {
		DDSource, DDTags, Hostname, Message, Service, Status string
		Timestamp                                            int64
		Tocsin                                               struct{ ID string }
	}
	switch {
	case r.URL.Path != "/api/v2/logs":
		return refuse(w, 404, `{"errors":["Not found"]}`)
	case r.Header.Get("DD-API-KEY") != token:
		return refuse(w, 403, `{"errors":[{"status":"403","title":"Forbidden","detail":"Invalid API key"}]}`)
	case json.Unmarshal(body, &logs) != nil || len(logs) > 1000 || len(body) > 5<<20:
		return refuse(w, 400, `{"errors":[{"status":"400","title":"Bad Request"}]}`)
	}
	var ids []string
	for _, l := range logs {
		if l.DDSource != "tocsin" || l.Service != "tocsin" || l.Message == "" || l.Timestamp < 1e12 || !strings.Contains(l.DDTags, "env:prod,rule:") {
			return nil, fmt.Errorf("log %+v", l)
		}
		ids = append(ids, l.Tocsin.ID)
	}
	w.WriteHeader(202)
	_, _ = w.Write([]byte(`{}`))
	return ids, nil
}

func pagerdutyEvents(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var e struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     *struct {
			Summary, Source, Severity string
			Timestamp                 time.Time
			CustomDetails             map[string]any `json:"custom_details"`
		}
	}
	invalid := func(why string) ([]string, error) {
		return refuse(w, 400, `{"status":"invalid event","message":"Event object is invalid","errors":["`+why+`"]}`)
	}
	switch {
	case r.URL.Path != "/v2/enqueue":
		return refuse(w, 404, "")
	case json.Unmarshal(body, &e) != nil:
		return invalid("JSON cannot be parsed")
	case e.RoutingKey != token:
		return invalid("Invalid routing key")
	case e.DedupKey == "" || tooLong(e.DedupKey, 255):
		return invalid("'dedup_key' is missing or blank")
	case len(body) > 512<<10:
		return refuse(w, 413, "")
	}
	switch e.EventAction {
	case "acknowledge", "resolve":
	case "trigger":
		if p := e.Payload; p == nil || p.Summary == "" || tooLong(p.Summary, 1024) || p.Source == "" || !regexp.MustCompile(`^(critical|error|warning|info)$`).MatchString(p.Severity) {
			return invalid("'payload' is invalid")
		}
	default:
		return invalid("'event_action' is invalid")
	}
	w.WriteHeader(202)
	_, _ = fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.DedupKey)
	return []string{e.DedupKey}, nil
}

func opsgenieAlerts(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	if r.Header.Get("Authorization") != "GenieKey "+token {
		return refuse(w, 401, `{"message":"Could not authenticate","took":0.001,"requestId":"x"}`)
	}
	var a struct {
		Message, Alias, Description, Entity, Source, Priority, Note string
		Tags                                                        []string
		Details                                                     map[string]string
		Responders                                                  []struct{ Type, Name string }
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return refuse(w, 422, `{"message":"Request body is not processable. Please check the errors.","errors":{}}`)
	}
	id := a.Alias
	if m := regexp.MustCompile(`^/v2/alerts/([^/]+)/(close|acknowledge)$`).FindStringSubmatch(r.URL.Path); m != nil && r.URL.Query().Get("identifierType") == "alias" {
		id = m[1]
	} else if r.URL.Path != "/v2/alerts" {
		return refuse(w, 404, `{"message":"Not found"}`)
	} else if a.Message == "" || tooLong(a.Message, 130) || tooLong(a.Alias, 512) || tooLong(a.Description, 15000) || tooLong(a.Entity, 512) || len(a.Tags) > 20 ||
		!regexp.MustCompile(`^P[1-5]$`).MatchString(a.Priority) || a.Responders[0].Type != "team" {
		return refuse(w, 422, `{"message":"Request body is not processable. Please check the errors.","errors":{"message":"too long"}}`)
	}
	w.WriteHeader(202)
	_, _ = w.Write([]byte(`{"result":"Request will be processed","took":0.3,"requestId":"43a29c5c"}`))
	return []string{id}, nil
}

func alertmanagerAlerts(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var alerts []struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
	switch {
	case r.URL.Path != "/api/v2/alerts":
		return refuse(w, 404, `{"code":404,"message":"path was not found"}`)
	case json.Unmarshal(body, &alerts) != nil:
		return refuse(w, 400, `{"code":400,"message":"parsing alerts body from \"\" failed"}`)
	}
	var ids []string
	for _, a := range alerts {
		if a.Labels["alertname"] == "" || a.Labels["team"] != "security" || a.EndsAt.Before(a.StartsAt) {
			return refuse(w, 400, `"start time must be before end time"`)
		}
		for k, v := range a.Labels {
			if !labelName(k) || v == "" || !utf8.ValidString(v) {
				return refuse(w, 400, `"invalid label set"`)
			}
		}
		for k := range a.Annotations {
			if !labelName(k) {
				return refuse(w, 400, `"invalid annotation set"`)
			}
		}
		ids = append(ids, a.Annotations["notification"])
	}
	return ids, nil
}

func discordWebhook(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var m struct {
		Content string
		Embeds  []struct {
			Title, Description, URL string
			Color                   int
			Timestamp               time.Time
			Fields                  []struct{ Name, Value string }
			Footer                  struct{ Text string }
		}
		AllowedMentions struct{ Parse []string } `json:"allowed_mentions"`
	}
	switch {
	case r.URL.Path != "/api/webhooks/1/"+token:
		return refuse(w, 401, `{"message":"Invalid Webhook Token","code":50027}`)
	case json.Unmarshal(body, &m) != nil || len(m.Embeds) != 1 || m.AllowedMentions.Parse == nil:
		return refuse(w, 400, `{"message":"Cannot send an empty message","code":50006}`)
	}
	e := m.Embeds[0]
	all := e.Title + e.Description + e.Footer.Text
	bad := e.Title == "" || tooLong(e.Title, 256) || tooLong(e.Description, 4096) || len(e.Fields) > 25
	for _, f := range e.Fields {
		all += f.Name + f.Value
		bad = bad || f.Name == "" || tooLong(f.Name, 256) || f.Value == "" || tooLong(f.Value, 1024)
	}
	if bad || tooLong(all, 6000) {
		return refuse(w, 400, `{"message":"Invalid Form Body","code":50035}`)
	}
	_, _ = w.Write([]byte(`{"id":"1"}`))
	return []string{e.Footer.Text}, nil
}

func mattermostHook(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var m struct {
		Text, Channel string
		Attachments   []struct {
			Fallback, Color, Title, Text, Footer string
			Fields                               []struct {
				Title, Value string
				Short        bool
			}
		}
	}
	switch {
	case r.URL.Path != "/hooks/"+token:
		return refuse(w, 404, `{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook","status_code":404}`)
	case json.Unmarshal(body, &m) != nil || m.Text == "" && len(m.Attachments) != 1:
		return refuse(w, 400, `{"id":"web.incoming_webhook.text.app_error","message":"No text specified","status_code":400}`)
	case m.Channel != "soc" || len(m.Attachments[0].Color) != 7:
		return nil, fmt.Errorf("channel %q, color %q", m.Channel, m.Attachments[0].Color)
	}
	_, _ = w.Write([]byte("ok"))
	return []string{m.Attachments[0].Footer}, nil
}

func teamsWorkflow(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type, Text string
					Facts      []struct{ Title, Value string }
				}
				Actions []struct{ Type, Title, URL string }
			}
		}
	}
	switch {
	case r.URL.Path != "/workflows/1" || r.URL.RawQuery != "sig="+token:
		return refuse(w, 401, `{"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated"}}`)
	case json.Unmarshal(body, &m) != nil || m.Type != "message" || len(m.Attachments) != 1 || len(body) > 28<<10:
		return refuse(w, 400, `{"error":{"code":"TriggerInputSchemaMismatch","message":"The input body does not match its schema"}}`)
	}
	a := m.Attachments[0]
	if a.ContentType != "application/vnd.microsoft.card.adaptive" || a.Content.Type != "AdaptiveCard" || a.Content.Version > "1.5" || len(a.Content.Body) == 0 {
		return refuse(w, 400, `{"error":{"code":"BadRequest","message":"not a card"}}`)
	}
	for _, b := range a.Content.Body {
		if b.Type != "TextBlock" && b.Type != "FactSet" || b.Type == "TextBlock" && b.Text == "" {
			return refuse(w, 400, `{"error":{"code":"BadRequest","message":"element"}}`)
		}
	}
	w.WriteHeader(202)
	return []string{a.Content.Body[len(a.Content.Body)-1].Text}, nil
}

func googleChatSpace(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var m struct {
		FallbackText string
		Thread       struct{ ThreadKey string }
		CardsV2      []struct {
			CardID string `json:"cardId"`
			Card   struct {
				Header   struct{ Title string }
				Sections []struct {
					Widgets []map[string]json.RawMessage
				}
			}
		}
	}
	switch q := r.URL.Query(); {
	case r.URL.Path != "/v1/spaces/A/messages" || q.Get("token") != token || q.Get("key") != "k":
		return refuse(w, 401, `{"error":{"code":401,"message":"Request had invalid authentication credentials","status":"UNAUTHENTICATED"}}`)
	case json.Unmarshal(body, &m) != nil || len(m.CardsV2) != 1 || m.CardsV2[0].Card.Header.Title == "" || len(body) > 32000:
		return refuse(w, 400, `{"error":{"code":400,"message":"Invalid JSON payload received","status":"INVALID_ARGUMENT"}}`)
	case (m.Thread.ThreadKey != "") != (q.Get("messageReplyOption") == "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"):
		return nil, fmt.Errorf("thread %q with %s", m.Thread.ThreadKey, r.URL.RawQuery)
	}
	for _, x := range m.CardsV2[0].Card.Sections[0].Widgets {
		if len(x) != 1 {
			return refuse(w, 400, `{"error":{"code":400,"message":"Widget must have one kind","status":"INVALID_ARGUMENT"}}`)
		}
	}
	_, _ = w.Write([]byte(`{"name":"spaces/A/messages/1"}`))
	return []string{m.CardsV2[0].CardID}, nil
}

var tag = regexp.MustCompile(`<[^>]*>`)

func telegramBot(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error) {
	var m struct {
		ChatID    string `json:"chat_id"`
		Text      string
		ParseMode string `json:"parse_mode"`
		Thread    int64  `json:"message_thread_id"`
	}
	bad := func(why string) ([]string, error) {
		return refuse(w, 400, `{"ok":false,"error_code":400,"description":"Bad Request: `+why+`"}`)
	}
	switch {
	case r.URL.Path != "/bot"+token+"/sendMessage":
		return refuse(w, 401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`)
	case json.Unmarshal(body, &m) != nil || m.ChatID != "-100" || m.Thread != 7:
		return bad("chat not found")
	case m.ParseMode != "HTML" || tooLong(tag.ReplaceAllString(m.Text, ""), 4096):
		return bad("message is too long")
	}
	for _, t := range tag.FindAllString(m.Text, -1) {
		if !regexp.MustCompile(`^</?(b|code|a)( href="[^"<>]*")?>$`).MatchString(t) {
			return bad("can't parse entities: Unsupported start tag " + t)
		}
	}
	id := regexp.MustCompile(`<code>([^<]*)</code>$`).FindStringSubmatch(m.Text)
	if id == nil {
		return nil, fmt.Errorf("no id in %q", m.Text)
	}
	_, _ = w.Write([]byte(`{"ok":true,"result":{"message_id":1}}`))
	return []string{id[1]}, nil
}
