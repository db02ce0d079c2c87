package metrics

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tocsin-io/tocsin/configs/settings"
)

// Who is not on this host needs the token; without one configured nobody else reads the metrics.
func TestHandler(t *testing.T) {
	for name, c := range map[string]struct {
		from, configured, sent string
		want                   int
	}{
		"this host":         {"127.0.0.1:4000", "", "", http.StatusOK},
		"this host, IPv6":   {"[::1]:4000", "secret", "", http.StatusOK},
		"elsewhere":         {"10.0.0.9:4000", "", "", http.StatusForbidden},
		"elsewhere, guess":  {"10.0.0.9:4000", "", "Bearer ", http.StatusForbidden},
		"without the token": {"10.0.0.9:4000", "secret", "", http.StatusUnauthorized},
		"another token":     {"10.0.0.9:4000", "secret", "Bearer Secret", http.StatusUnauthorized},
		"the token":         {"10.0.0.9:4000", "secret", "Bearer secret", http.StatusOK},
		"no address":        {"@", "secret", "", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
			r.RemoteAddr = c.from
			if c.sent != "" {
				r.Header.Set("Authorization", c.sent)
			}
			token := settings.Secret{}
			if c.configured != "" {
				token = settings.NewSecret(c.configured)
			}
			w := httptest.NewRecorder()
			Handler(NewRegistry(), token, "sensor.metrics_token").ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d: %s", w.Code, c.want, w.Body)
			}
		})
	}
}
