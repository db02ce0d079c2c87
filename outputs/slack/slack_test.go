package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/encode"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

func bot(base string) *Settings {
	return &Settings{Token: settings.NewSecret(token), Channel: "#soc", Thread: true, APIURL: base + "/api/", Mention: map[string]string{"high": "<!here>", "info": "x"}}
}

func TestSuiteBot(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) *outputtest.Target {
		s := newServer(t)
		return &outputtest.Target{
			Settings: bot(s.url), Refused: bot("http://" + outputtest.ClosedPort(t)), Behave: s.behave, Received: s.received, Secrets: []string{token},
		}
	})
}

func TestSuiteWebhook(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) *outputtest.Target {
		s := newServer(t)
		hook := func(base string) *Settings {
			return &Settings{URL: settings.NewSecret(base + "/services/T0/B0/hook-secret")}
		}
		return &outputtest.Target{
			Settings: hook(s.url), Refused: hook("http://" + outputtest.ClosedPort(t)), Behave: s.behave, Received: s.received, Secrets: []string{"hook-secret"},
		}
	})
}

func open(t *testing.T, s *Settings, state outputs.State) outputs.Output {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	out, err := outputs.Open(s, outputs.Env{Name: "soc", ExternalURL: "https://tocsin.example", State: state})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func send(t *testing.T, out outputs.Output, ns ...finding.Notification) error {
	t.Helper()
	return out.Send(t.Context(), ns)
}

func TestAnAlertIsAThread(t *testing.T) {
	s := newServer(t)
	state := outputs.Env{}.Defaults().State
	out := open(t, bot(s.url), state)
	kinds := []finding.Kind{finding.KindAlert, finding.KindUpdate, finding.KindReminder, finding.KindClosed}
	for i, k := range kinds {
		if i == 2 { // a restart in between
			out = open(t, bot(s.url), state)
		}
		n := outputtest.Notification(k, 1)
		n.ID = fmt.Sprintf("n-%d", i)
		if err := send(t, out, n); err != nil {
			t.Fatal(err)
		}
	}
	other := outputtest.Notification(finding.KindAlert, 2)
	if err := send(t, out, other); err != nil {
		t.Fatal(err)
	}
	ms := s.all()
	if len(ms) != 5 || ms[0].Thread != "" || ms[4].Thread != "" {
		t.Fatalf("%+v", ms)
	}
	for i := 1; i < 4; i++ {
		if ms[i].Thread != ms[0].TS {
			t.Errorf("%s is not in the thread", kinds[i])
		}
	}
	if ms[0].Updated != 1 || !strings.Contains(ms[0].Blocks[0].Text.Text, ":white_check_mark:") {
		t.Errorf("the first message does not show the end: %+v", ms[0])
	}
	if !strings.HasPrefix(ms[4].Blocks[1].Text.Text, "<!here> ") {
		t.Errorf("no mention: %q", ms[4].Blocks[1].Text.Text)
	}
}

func TestLostAcknowledgement(t *testing.T) {
	s := newServer(t)
	out := open(t, bot(s.url), nil)
	n := outputtest.Notification(finding.KindAlert, 1)
	for attempt := range 3 {
		n.Attempt = attempt
		if err := send(t, out, n); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(s.all()); got != 1 {
		t.Errorf("posted %d times", got)
	}
}

func TestDeletedThread(t *testing.T) {
	s := newServer(t)
	out := open(t, bot(s.url), nil)
	n := outputtest.Notification(finding.KindAlert, 1)
	if err := send(t, out, n); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.messages = nil
	s.mu.Unlock()
	n = outputtest.Notification(finding.KindUpdate, 1)
	n.ID = "n-2"
	if err := send(t, out, n); err != nil {
		t.Fatal(err)
	}
	if ms := s.all(); len(ms) != 1 || ms[0].Thread != "" {
		t.Errorf("%+v", ms)
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	for code, want := range map[string]string{
		"channel_not_found": "temporary", "invalid_auth": "temporary", "msg_too_long": "permanent", "ratelimited": "pause", "fatal_error": "temporary",
	} {
		s.say(code)
		err := send(t, open(t, bot(s.url), nil), outputtest.Notification(finding.KindAlert, 1))
		var pause *outputs.RetryAfterError
		got := "temporary"
		switch {
		case err == nil:
			got = "none"
		case outputs.IsPermanent(err):
			got = "permanent"
		case errors.As(err, &pause) && pause.After == 30*time.Second:
			got = "pause"
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", code, got, err, want)
		}
	}
	s.say("")
	wrong := bot(s.url)
	wrong.Channel = "#nowhere"
	if err := send(t, open(t, wrong, nil), outputtest.Notification(finding.KindAlert, 1)); err == nil || !strings.Contains(err.Error(), "invite the app") {
		t.Errorf("no hint: %v", err)
	}
}

// What an attacker can put into a finding must not become markup, break the limits, or mention people.
func TestHostileText(t *testing.T) {
	n := outputtest.Notification(finding.KindAlert, 1)
	long := strings.Repeat("ä<!channel>`*&", 2000)
	n.Alert.Message, n.Alert.Rule.Name, n.Alert.Host = long, long, long
	n.Alert.Process.Args, n.Alert.Process.Executable, n.Alert.Container.Name = []string{long}, long, long
	v := encode.NewView(&n, "", nil)
	for _, bs := range [][]any{{blocks(&v, "")}, {reply(&v, "")}} {
		raw, err := json.Marshal(bs[0])
		if err != nil {
			t.Fatal(err)
		}
		var parsed []block
		if err := json.Unmarshal(raw, &parsed); err != nil || !valid(parsed) {
			t.Errorf("invalid: %v", err)
		}
		for _, b := range parsed {
			texts := b.Fields
			if b.Text != nil && b.Text.Type == "mrkdwn" {
				texts = append(texts, *b.Text)
			}
			for _, x := range texts {
				if strings.Contains(x.Text, "<!channel>") {
					t.Errorf("mention in %s", b.Type)
				}
			}
		}
	}
	d := finding.Notification{Kind: finding.KindDigest}
	for range 100 {
		d.Digest = append(d.Digest, *n.Alert)
	}
	v = encode.NewView(&d, "", nil)
	raw, _ := json.Marshal(blocks(&v, ""))
	var parsed []block
	if err := json.Unmarshal(raw, &parsed); err != nil || !valid(parsed) {
		t.Error("the digest is invalid")
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []*Settings{
		{},
		{Token: settings.NewSecret("x")},
		{Token: settings.NewSecret("x"), URL: settings.NewSecret("http://x"), Channel: "c"},
		{URL: settings.NewSecret("hooks.slack.com")},
		{Token: settings.NewSecret("x"), Channel: "c", Mention: map[string]string{"urgent": "x"}},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v passes", s)
		}
	}
}
