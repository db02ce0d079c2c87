package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

// server speaks the part of Slack's Web API that the output uses, with Slack's own checks and words: the token in the
// header, forms in, 200 with {"ok":false,"error":…} for refusals, 429 with Retry-After, Block Kit's limits.
type server struct {
	url       string
	mu        sync.Mutex
	behaviour outputtest.Behaviour
	refuse    string // error to answer with
	messages  []message
	hooks     []string
	release   chan struct{}
}

type message struct {
	TS, Thread, Channel, Text, ID string
	Blocks                        []block
	Updated                       int
}

type textObject struct{ Type, Text string }

type block struct {
	Type     string
	Text     *textObject
	Fields   []textObject
	Elements []json.RawMessage
}

const token = "xoxb-1234-secret"

func newServer(t *testing.T) *server {
	s := &server{behaviour: outputtest.OK, release: make(chan struct{})}
	h := httptest.NewServer(s)
	s.url = h.URL
	t.Cleanup(func() { close(s.release); h.Close() })
	return s
}

func (s *server) behave(b outputtest.Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
}

func (s *server) say(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

func (s *server) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := append([]string(nil), s.hooks...)
	for _, m := range s.messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func (s *server) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	b, refuse := s.behaviour, s.refuse
	s.mu.Unlock()
	switch b {
	case outputtest.Temporary:
		http.Error(w, "<html>Slack is down</html>", http.StatusServiceUnavailable)
		return
	case outputtest.RetryAfter:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"ok":false,"error":"ratelimited"}`))
		return
	case outputtest.Hang:
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		return
	case outputtest.Slow:
		time.Sleep(200 * time.Millisecond)
	case outputtest.Permanent:
		refuse = "invalid_blocks"
	}
	if strings.HasPrefix(r.URL.Path, "/services/") {
		s.webhook(w, r, refuse)
		return
	}
	answer := func(v map[string]any) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(v)
	}
	fail := func(code string) { answer(map[string]any{"ok": false, "error": code}) }
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		fail("invalid_form_data")
		return
	}
	auth := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if auth == "" {
		auth = r.PostForm.Get("token")
	}
	channels := map[string]string{"#soc": "C0SOC", "C0SOC": "C0SOC"}
	channel, ok := channels[r.PostForm.Get("channel")]
	m := message{Thread: r.PostForm.Get("thread_ts"), Channel: channel, Text: r.PostForm.Get("text")}
	switch {
	case auth == "":
		fail("not_authed")
		return
	case auth != token:
		fail("invalid_auth")
		return
	case refuse != "":
		fail(refuse)
		return
	case !ok:
		fail("channel_not_found")
		return
	case m.Text == "" && r.PostForm.Get("blocks") == "":
		fail("no_text")
		return
	}
	if raw := r.PostForm.Get("blocks"); raw != "" {
		if json.Unmarshal([]byte(raw), &m.Blocks) != nil || !valid(m.Blocks) {
			fail("invalid_blocks")
			return
		}
	}
	var meta struct {
		EventType    string            `json:"event_type"`
		EventPayload map[string]string `json:"event_payload"`
	}
	if raw := r.PostForm.Get("metadata"); raw != "" {
		if json.Unmarshal([]byte(raw), &meta) != nil {
			fail("invalid_metadata_format")
			return
		}
		m.ID = meta.EventPayload["id"]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/api/chat.postMessage":
		if m.Thread != "" && !slices.ContainsFunc(s.messages, func(x message) bool { return x.TS == m.Thread }) {
			fail("thread_not_found")
			return
		}
		m.TS = fmt.Sprintf("%d.%06d", 1795512615+len(s.messages), len(s.messages))
		s.messages = append(s.messages, m)
		answer(map[string]any{"ok": true, "channel": channel, "ts": m.TS, "message": map[string]any{"text": m.Text, "ts": m.TS}})
	case "/api/chat.update":
		ts := r.PostForm.Get("ts")
		i := slices.IndexFunc(s.messages, func(x message) bool { return x.TS == ts })
		if i < 0 {
			fail("message_not_found")
			return
		}
		s.messages[i].Blocks, s.messages[i].Text = m.Blocks, m.Text
		s.messages[i].Updated++
		answer(map[string]any{"ok": true, "channel": channel, "ts": ts, "text": m.Text})
	default:
		fail("unknown_method")
	}
}

func (s *server) webhook(w http.ResponseWriter, r *http.Request, refuse string) {
	var m struct {
		Text   string
		Blocks []block
	}
	switch {
	case r.URL.Path != "/services/T0/B0/hook-secret":
		http.Error(w, "no_service", http.StatusNotFound)
	case refuse != "" || json.NewDecoder(r.Body).Decode(&m) != nil:
		http.Error(w, "invalid_payload", http.StatusBadRequest)
	case m.Text == "" || !valid(m.Blocks):
		http.Error(w, "invalid_blocks", http.StatusBadRequest)
	default:
		s.mu.Lock()
		id := "none"
		for _, b := range m.Blocks {
			if b.Type == "context" {
				var e textObject
				_ = json.Unmarshal(b.Elements[0], &e)
				id = e.Text[strings.LastIndex(e.Text, " ")+1:]
			}
		}
		s.hooks = append(s.hooks, id)
		s.mu.Unlock()
		_, _ = w.Write([]byte("ok"))
	}
}

// valid holds the limits of Block Kit.
func valid(blocks []block) bool {
	length := func(s string) int { return utf8.RuneCountInString(s) }
	for _, b := range blocks {
		switch b.Type {
		case "header":
			if b.Text == nil || b.Text.Type != "plain_text" || length(b.Text.Text) == 0 || length(b.Text.Text) > 150 {
				return false
			}
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || b.Text != nil && (length(b.Text.Text) == 0 || length(b.Text.Text) > 3000) || len(b.Fields) > 10 {
				return false
			}
			for _, f := range b.Fields {
				if length(f.Text) == 0 || length(f.Text) > 2000 {
					return false
				}
			}
		case "context", "actions":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return false
			}
		default:
			return false
		}
	}
	return len(blocks) > 0 && len(blocks) <= 50
}
