package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
)

type fakeSlack struct {
	Channel string          `yaml:"channel" doc:"where to post"`
	Token   settings.Secret `yaml:"token" doc:"bot token"`
	Mode    string          `yaml:"mode" enum:"thread,channel"`
}

func (f *fakeSlack) Validate() error {
	if f.Channel != "" && !strings.HasPrefix(f.Channel, "#") {
		return settings.Errorf("channel", "must start with #")
	}
	return nil
}

type fakeHook struct {
	URL    settings.Secret `yaml:"url" required:"true" doc:"where to send"`
	Secret settings.Secret `yaml:"secret"`
	Format string          `yaml:"format"`
	Addr   string          `yaml:"addr"`
	Token  settings.Secret `yaml:"token"`
}

var fakeTypes = Types{
	"slack":      func() any { return &fakeSlack{Mode: "thread"} },
	"webhook":    func() any { return &fakeHook{} },
	"syslog":     func() any { return &struct{ fakeSyslog }{} },
	"splunk_hec": func() any { return &fakeHook{} },
}

type fakeSyslog struct{}

// The example of the design, word for word.
const designExample = `version: 1
server:  {listen: 127.0.0.1:8700, tokens: "${file:tokens}"}
nats:    {embedded: {dir: /var/lib/tocsin/nats, sync: always}}      # or {url, creds, tls}
store:   {sqlite: {path: /var/lib/tocsin/alerts.db}, retain: 90d}   # or {postgres: {dsn: "${env:DATABASE_URL}"}}
templates: [templates/*.tmpl]
defaults:
  group: {by: [rule, host, container], wait: 5s, window: 10m}
  retry: {backoff: [1s, 5s, 30s, 2m, 10m], give_up: 24h}
outputs:
  splunk: {type: splunk_hec, url: https://hec:8088, token: "${env:HEC_TOKEN}", batch: {max: 500, wait: 1s}}
  siem:   {type: webhook, url: "https://siem", format: cef}
  pager:  {type: webhook, url: "${file:pager}", secret: "${env:WEBHOOK_SECRET}", format: ocsf}
  soc:    {type: slack, channel: "#soc", token: "${env:SLACK_TOKEN}", rate: {limit: 20, per: 1m, overflow: digest}}
times:
  office: {days: mon-fri, hours: "09:00-18:00", tz: Europe/Berlin}
routes:
  - {name: evidence, outputs: [splunk, siem], group: none, suppress: never, continue: true}   # every finding
  - name: page
    match: {any: [{severity: critical}, {severity: ">=high", tactic: [privilege-escalation, credential-access]}, {technique: T1611}]}
    outputs: [pager, soc]
    group: {wait: 0s, window: 5m}
    remind: 30m                                   # until acknowledged
  - {name: low, match: {severity: "<=low"}, outputs: [soc], group: {by: [rule], window: 24h}, during: office}
  - {name: rest, outputs: [soc]}
inhibit:
  - {name: escape-explains-shell, by: {rule: container_escape}, mute: {rule: [shell_in_container], severity: "<=high"}, equal: [host, container], within: 5m}
silences: {max: 30d, require_comment: true, min_fields: 2}
`

func secretsDir(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"tokens": "tok\n", "pager": "https://pager/x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"HEC_TOKEN", "WEBHOOK_SECRET", "SLACK_TOKEN"} {
		t.Setenv(v, "value-of-"+v)
	}
	return dir
}

func TestDesignExample(t *testing.T) {
	dir := secretsDir(t)
	c, err := Parse(filepath.Join(dir, "tocsin.yaml"), []byte(designExample), fakeTypes)
	if err != nil {
		t.Fatal(err)
	}
	value := func(s settings.Secret) string {
		v, err := s.Value()
		if err != nil {
			t.Error(err)
		}
		return v
	}
	hec := c.Outputs["splunk"].Settings.(*fakeHook)
	for _, x := range []struct{ what, got, want string }{
		{"tokens", value(c.Server.Tokens), "tok"},
		{"hec token", value(hec.Token), "value-of-HEC_TOKEN"},
		{"pager", value(c.Outputs["pager"].Settings.(*fakeHook).URL), "https://pager/x"},
		{"slack", fmt.Sprint(c.Outputs["soc"].Settings), "&{#soc ••• thread}"},
		{"batch", fmt.Sprint(c.Outputs["splunk"].Batch), "{500 1s}"},
		{"rate", fmt.Sprint(c.Outputs["soc"].Rate), "{20 1m0s digest}"},
		{"retry", fmt.Sprint(c.Outputs["soc"].Retry), "{[1s 5s 30s 2m0s 10m0s] 24h0m0s}"},
		{"retain", c.Store.Retain.String(), (90 * 24 * time.Hour).String()},
		{"times", fmt.Sprint(c.Times["office"]), "{[mon-fri] [09:00-18:00] Europe/Berlin false}"},
		{"templates", c.Templates[0], filepath.Join(dir, "templates/*.tmpl")},
		{"evidence", fmt.Sprint(c.Routes[0]), "{evidence map[] [splunk siem] {true [] 0s 0s} never true 0s []}"},
		{"page", fmt.Sprint(c.Routes[1].Group), "{false [rule host container] 0s 5m0s}"},
		{"match", fmt.Sprint(c.Routes[1].Match), "map[any:[map[severity:critical] map[severity:>=high tactic:[privilege-escalation credential-access]] map[technique:T1611]]]"},
		{"low", fmt.Sprint(c.Routes[2].Group, c.Routes[2].During), "{false [rule] 5s 24h0m0s} [office]"},
		{"rest", fmt.Sprint(c.Routes[3].Group), "{false [rule host container] 5s 10m0s}"},
		{"inhibit", fmt.Sprint(c.Inhibit[0].Mute, c.Inhibit[0].Within), "map[rule:[shell_in_container] severity:<=high] 5m0s"},
		{"silences", fmt.Sprint(c.Silences), "{720h0m0s true 2}"},
	} {
		if x.got != x.want {
			t.Errorf("%s: got %s, want %s", x.what, x.got, x.want)
		}
	}
	err = c.Errorf([]string{"routes", "1", "match", "any", "1", "severity"}, "bad")
	if want := ":19:52: routes.1.match.any.1.severity: bad"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEmpty(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", "{}", "---\n"} {
		c, err := Parse("", []byte(text), nil)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if c.NATS.Embedded.Dir != "/var/lib/tocsin/nats" || c.Store.SQLite.Path != "/var/lib/tocsin/alerts.db" || c.Host == "" {
			t.Errorf("%q: %+v", text, c)
		}
		c.SetDataDir("/tmp/x")
		if c.NATS.Embedded.Dir != "/tmp/x/nats" || c.Store.SQLite.Path != "/tmp/x/alerts.db" || c.Sensor.Spool.Dir != "/tmp/x/spool" {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

// Pairs of input and error, beside each other.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(raw), "=====\n")
			got := "ok\n"
			if _, err := Parse("tocsin.yaml", []byte(input), fakeTypes); err != nil {
				got = err.Error() + "\n"
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(input+"=====\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Setenv("TOCSIN_TEST", "hunter2")
	c, err := Parse("", []byte(`outputs: {a: {type: slack, token: "${env:TOCSIN_TEST}"}, b: {type: webhook, url: "https://x/hunter2", secret: hunter2}}`), fakeTypes)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s := c.Outputs["b"].Settings.(*fakeHook).Secret
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "all", c.Outputs["a"].Settings)
	text := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s) + fmt.Sprintf("%v %+v", c.Outputs["a"].Settings, c.Outputs["b"].Settings)
	if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74") || !strings.Contains(text, settings.Mask) {
		t.Error(text)
	}
	if len(c.Warnings) != 1 || strings.Contains(c.Warnings[0].Error(), "hunter2") {
		t.Error(c.Warnings)
	}
}

func TestSecretIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	s, err := settings.ParseSecret("x-${file:"+file+"}", "")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Value(); v != "x-one" || err != nil {
		t.Fatal(v, err)
	}
	write("second")
	if v, err := s.Value(); v != "x-second" || err != nil {
		t.Fatal(v, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Value(); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatal(err)
	}
}

func TestErrorsAs(t *testing.T) {
	_, err := Parse("f.yaml", []byte("nope: 1"), nil)
	var e *Error
	if !errors.As(err, &e) || e.Line != 1 || e.Path != "nope" {
		t.Error(err)
	}
}

// Other parts find their errors in what could be read, so that all are shown at once.
func TestErrorsComeWithTheRest(t *testing.T) {
	c, err := Parse("f.yaml", []byte("outputs: {a: {typ: slack}, b: {type: webhook, url: http://x}}\nroutes:\n  - {name: r, match: {severty: high}, outputs: [b]}\n"), fakeTypes)
	var errs Errors
	if !errors.As(err, &errs) || c == nil || len(c.Routes) != 1 || c.Outputs["b"].Settings == nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if e := c.Errorf([]string{"routes", "0", "match", "severty"}, "unknown field"); !strings.HasPrefix(e.Error(), "f.yaml:3:32: ") {
		t.Error(e)
	}
	_, err = Parse("f.yaml", []byte("outputs: {a: {type: slack, timeout: soon}}\nroutes: [{name: r, outputs: [b]}]\n"), fakeTypes)
	if !errors.As(err, &errs) || len(errs) != 2 || errs[1].Path != "routes.0.outputs.0" {
		t.Error(err)
	}
	if c, err := Parse("f.yaml", []byte("{"), fakeTypes); c != nil || err == nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(designExample))
	f.Add([]byte("a: &a {b: *a}\n<<: *a\n"))
	f.Add([]byte("outputs: {x: {type: slack, channel: \"#x\", <<: {mode: thread}}}"))
	files, _ := filepath.Glob("testdata/errors/*.txt")
	for _, name := range files {
		if raw, err := os.ReadFile(name); err == nil {
			input, _, _ := strings.Cut(string(raw), "=====\n")
			f.Add([]byte(input))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f.yaml", text, fakeTypes)
		if c == nil && err == nil {
			t.Error("neither configuration nor error")
		}
		if c != nil && err != nil { // other parts go on looking for errors in it
			_ = c.Place([]string{"routes", "0", "match"}, errors.New("x"))
			c.SetDataDir("/d")
		}
		if err != nil && err.Error() == "" {
			t.Error("empty error")
		}
	})
}

// A unit's StateDirectory is where its data are.
func TestStateDirectory(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/var/lib/tocsin-router:/other")
	c, err := Parse("tocsin.yaml", []byte("version: 1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/tocsin-router" || c.Store.SQLite.Path != "/var/lib/tocsin-router/alerts.db" {
		t.Errorf("data in %s, alerts in %s", c.DataDir, c.Store.SQLite.Path)
	}
}
