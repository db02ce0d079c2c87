package all_test

import (
	"testing"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/slack"
	"github.com/tocsin-io/tocsin/outputs/syslog"
	"github.com/tocsin-io/tocsin/outputs/webhook"
)

// A target names the host and never what is secret in a URL.
func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		settings any
		want     string
	}{
		{&webhook.Settings{URL: settings.NewSecret("https://user:pw@hook.example:8443/T0/s3cret?key=1")}, "https://hook.example:8443"},
		{&webhook.Settings{URL: settings.NewSecret("not a url")}, ""},
		{&slack.Settings{Channel: "#soc", Token: settings.NewSecret("xoxb-1")}, "#soc"},
		{&slack.Settings{URL: settings.NewSecret("https://hooks.slack.com/services/T/B/s3cret")}, "https://hooks.slack.com"},
		{&syslog.Settings{Addr: "tls://siem:6514"}, "tls://siem:6514"},
		{nil, ""},
	} {
		if got := outputs.Target(tt.settings); got != tt.want {
			t.Errorf("Target(%T) = %q, want %q", tt.settings, got, tt.want)
		}
	}
	for _, s := range outputs.Specs() {
		outputs.Target(s.New()) // of no type does it panic
	}
}
