package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/httpclient"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

func target(t *testing.T) *outputtest.Target {
	r := outputtest.NewReceiver(t, func(r *http.Request, body []byte) []string { return []string{r.Header.Get("webhook-id")} })
	make := func(base string) *Settings {
		return &Settings{
			URL: settings.NewSecret(base + "/hook/path-token"), Secret: settings.NewSecret(secret), Format: "json",
			Headers: httpclient.Headers{"Authorization": settings.NewSecret("Bearer header-token")},
		}
	}
	return &outputtest.Target{
		Settings: make(r.URL), Refused: make("http://" + outputtest.ClosedPort(t)), Behave: r.Behave, Received: r.Received,
		Secrets: []string{secret, secret[6:], "path-token", "header-token"},
	}
}

func TestSuite(t *testing.T) { outputtest.Run(t, target) }

func open(t *testing.T, s *Settings) outputs.Output {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	out, err := outputs.Open(s, outputs.Env{Name: "o", Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func receiver(t *testing.T) *outputtest.Receiver {
	return outputtest.NewReceiver(t, func(r *http.Request, _ []byte) []string { return []string{r.Header.Get("webhook-id")} })
}

func TestSignature(t *testing.T) {
	r := receiver(t)
	file := filepath.Join(t.TempDir(), "secrets")
	other := "a plain text of some length"
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := settings.ParseSecret("${file:"+file+"}", "")
	if err != nil {
		t.Fatal(err)
	}
	out := open(t, &Settings{URL: settings.NewSecret(r.URL), Secret: ref})
	n := outputtest.Notification(finding.KindAlert, 1)
	for i, verify := range [][]string{{secret}, {secret, "second-secret"}} {
		if i == 1 { // a rotation: the file gets a second secret
			if err := os.WriteFile(file, []byte(secret+"\nsecond-secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Send(t.Context(), []finding.Notification{n}); err != nil {
			t.Fatal(err)
		}
		req := r.Requests()[i]
		for _, s := range verify {
			w, err := standardwebhooks.NewWebhookRaw([]byte(s))
			if strings.HasPrefix(s, "whsec_") {
				w, err = standardwebhooks.NewWebhook(s)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Verify(req.Body, req.Header); err != nil {
				t.Errorf("signature with secret %d: %v", i, err)
			}
		}
		if w, _ := standardwebhooks.NewWebhookRaw([]byte(other)); w.Verify(req.Body, req.Header) == nil {
			t.Error("a wrong secret verifies")
		}
	}
	req := r.Requests()[0]
	for k, want := range map[string]string{"Webhook-Id": n.ID, "Idempotency-Key": n.ID, "Content-Type": "application/json", "User-Agent": "tocsin/1.2"} {
		if got := req.Header.Get(k); got != want {
			t.Errorf("%s: got %q, want %q", k, got, want)
		}
	}
	var back finding.Notification
	if err := json.Unmarshal(req.Body, &back); err != nil || back.ID != n.ID || back.Alert.Rule.ID != n.Alert.Rule.ID {
		t.Error(err, string(req.Body))
	}
	if !bytes.Equal(req.Body, r.Requests()[1].Body) {
		t.Error("the body of a retry differs")
	}
}

func TestStatus(t *testing.T) {
	for code, permanent := range map[int]bool{301: false, 307: false, 400: true, 401: false, 404: false, 410: true, 413: true, 429: false, 500: false, 503: false} {
		r := receiver(t)
		hits := 0
		r.OK = func(w http.ResponseWriter, _ *http.Request) {
			hits++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}
		out := open(t, &Settings{URL: settings.NewSecret(r.URL)})
		n := outputtest.Notification(finding.KindAlert, 1)
		if err := out.Send(t.Context(), []finding.Notification{n}); err == nil || outputs.IsPermanent(err) != permanent {
			t.Errorf("%d: %v", code, err)
		}
		if err := out.Send(t.Context(), []finding.Notification{n}); !outputs.IsPermanent(err) == permanent {
			t.Errorf("%d again: %v", code, err)
		}
		if want := map[bool]int{true: 1, false: 2}[code == 410]; hits != want {
			t.Errorf("%d: %d requests, want %d", code, hits, want)
		}
	}
}

func TestConnectionsLiveOn(t *testing.T) {
	r := receiver(t)
	remote := map[string]bool{}
	r.OK = func(w http.ResponseWriter, req *http.Request) {
		remote[req.RemoteAddr] = true
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
	}
	out := open(t, &Settings{URL: settings.NewSecret(r.URL)})
	for i := range 10 {
		if err := out.Send(t.Context(), []finding.Notification{outputtest.Notification(finding.KindAlert, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(remote) != 1 {
		t.Errorf("%d connections for 10 requests", len(remote))
	}
}

func TestGuard(t *testing.T) {
	for _, x := range []struct{ url, guard, want string }{
		{"http://169.254.169.254/latest", "", "metadata service"},
		{"http://[fd00:ec2::254]/", "", "metadata service"},
		{"http://[::ffff:169.254.169.254]/", "metadata", "metadata service"},
		{"http://127.0.0.1:1/", "public", "prohibited IP"},
		{"http://127.0.0.1:1/", "", "refused"},
		{"http://127.0.0.1:1/", "off", "refused"},
	} {
		out := open(t, &Settings{URL: settings.NewSecret(x.url), Settings: httpclient.Settings{Guard: x.guard}})
		err := out.Send(t.Context(), []finding.Notification{outputtest.Notification(finding.KindAlert, 1)})
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []*Settings{
		{URL: settings.NewSecret("receiver.example/hook")},
		{URL: settings.NewSecret("ftp://x")},
		{URL: settings.NewSecret("http://x"), Secret: settings.NewSecret("whsec_???")},
		{URL: settings.NewSecret("http://x"), Headers: httpclient.Headers{"a b": {}}},
		{URL: settings.NewSecret("http://x"), Headers: httpclient.Headers{"webhook-id": {}}},
	} {
		if err := s.Validate(); err == nil {
			t.Errorf("%+v passes", s)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	r := outputtest.NewReceiver(b, func(*http.Request, []byte) []string { return nil })
	s := &Settings{URL: settings.NewSecret(r.URL), Secret: settings.NewSecret(secret)}
	out, err := outputs.Open(s, outputs.Env{Name: "o"})
	if err != nil {
		b.Fatal(err)
	}
	n := []finding.Notification{outputtest.Notification(finding.KindAlert, 1)}
	b.Run("webhook", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := out.Send(b.Context(), n); err != nil {
					b.Error(err)
				}
			}
		})
	})
	body, err := json.Marshal(n[0])
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Run("net-http", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				resp, err := client.Post(r.URL, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					continue
				}
				_ = resp.Body.Close()
			}
		})
	})
}
