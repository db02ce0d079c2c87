package client

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestCalls(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(w).Encode(map[string]any{"status": 401, "detail": "no token", "errors": []any{map[string]any{"location": "header", "message": "missing"}}})
			return
		}
		switch r.Method + " " + r.URL.String() {
		case "GET /v1/alerts?limit=3":
			w.Write([]byte(`{"alerts":[{"id":"a"}]}`))
		case "PATCH /v1/alerts/a":
			if r.Header.Get("If-Match") != `"1"` {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			w.Write([]byte(`{}`))
		case "GET /readyz":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "GET /v1/stream":
			w.Write([]byte(": hello\n\nid: 7\nevent: alert\ndata: {\"a\":\ndata: 1}\n\ndata: x\n\n"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()

	none, err := New(srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Get(t.Context(), "/alerts", nil, nil); err == nil || !strings.Contains(err.Error(), "no token\n  header: missing (the token comes from TOCSIN_TOKEN)") {
		t.Errorf("%v", err)
	}
	c, err := New(srv.URL+"/", "secret")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Alerts []struct{ ID string } }
	if err := c.Get(t.Context(), "/alerts", url.Values{"limit": {"3"}}, &list); err != nil || len(list.Alerts) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := c.Send(t.Context(), http.MethodPatch, "/alerts/a", http.Header{"If-Match": {`"1"`}}, map[string]string{}, nil); err != nil {
		t.Error(err)
	}
	if err := c.Get(t.Context(), "/nothing", nil, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
	var not *Error
	if err := c.Ready(t.Context()); !errors.As(err, &not) || not.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", err)
	}
	var got []Event
	err = c.Stream(t.Context(), "/stream", nil, "", func(e Event) error {
		e.Data = append([]byte(nil), e.Data...)
		got = append(got, e)
		return nil
	})
	if err != nil || len(got) != 2 || got[0].ID != "7" || got[0].Name != "alert" || string(got[0].Data) != "{\"a\":\n1}" || got[1].Name != "" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c, err := New("http://"+addr, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), "/alerts", nil, nil); err == nil || !strings.Contains(err.Error(), "nothing listens at http://"+addr) {
		t.Errorf("%v", err)
	}
	if _, err := New("127.0.0.1:8700", ""); err == nil {
		t.Error("an address without a scheme was accepted")
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("id: 1\nevent: x\ndata: y\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		readEvents(strings.NewReader(text), func(Event) error { return nil })
	})
}
