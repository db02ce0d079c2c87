package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A SlackMessage is one call of chat.postMessage or chat.update.
type SlackMessage struct {
	Method, Token, Channel, Text, Blocks, ThreadTS, TS string
}

// A Slack is a server of the part of Slack's Web API that posts messages
// (https://docs.slack.dev/reference/methods/chat.postMessage).
type Slack struct {
	URL string // of the API, as slack-go wants it: with a slash at its end

	mu       sync.Mutex
	messages []SlackMessage
}

// NewSlack starts a server.
func NewSlack(t testing.TB) *Slack {
	t.Helper()
	s := &Slack{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL + "/api/"
	return s
}

func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.Form.Get("token")
	}
	switch {
	case token == "":
		fmt.Fprint(w, `{"ok":false,"error":"not_authed"}`)
	case method == "auth.test":
		fmt.Fprint(w, `{"ok":true,"team":"e2e","user":"tocsin"}`)
	case method == "chat.postMessage" || method == "chat.update":
		m := SlackMessage{
			Method: method, Token: token, Channel: r.Form.Get("channel"), Text: r.Form.Get("text"),
			Blocks: r.Form.Get("blocks"), ThreadTS: r.Form.Get("thread_ts"),
		}
		if m.Blocks != "" && !json.Valid([]byte(m.Blocks)) {
			fmt.Fprint(w, `{"ok":false,"error":"invalid_blocks"}`)
			return
		}
		s.mu.Lock()
		m.TS = fmt.Sprintf("1700000000.%06d", len(s.messages)+1)
		s.messages = append(s.messages, m)
		s.mu.Unlock()
		fmt.Fprintf(w, `{"ok":true,"channel":"C0123456789","ts":%q}`, m.TS)
	default:
		fmt.Fprint(w, `{"ok":false,"error":"unknown_method"}`)
	}
}

// Messages returns what was posted so far.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SlackMessage(nil), s.messages...)
}
