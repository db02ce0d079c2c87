package preset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

const token = "s3cret-token"

var key = settings.NewSecret(token)

// service is one destination: its settings for a server at base, and a server that speaks its protocol.
type service struct {
	name string
	make func(base string) outputs.Settings
	// accept checks a request as the service does and gives the ids in it. It answers what the service answers.
	accept func(w http.ResponseWriter, r *http.Request, body []byte) ([]string, error)
}

func of[D any, P pointer[D]](t testing.TB, name string, set func(*D)) outputs.Settings {
	spec, ok := outputs.Lookup(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	s, ok := spec.New().(*Settings[D, P])
	if !ok {
		t.Fatalf("%s has other settings", name)
	}
	set(&s.Own)
	return s
}

func services(t testing.TB) []service {
	secret := settings.NewSecret
	return []service{
		{"splunk_hec", func(u string) outputs.Settings {
			return of[splunk](t, "splunk_hec", func(s *splunk) { s.URL, s.Token, s.Index = secret(u), key, "security" })
		}, hec},
		{"elasticsearch", func(u string) outputs.Settings {
			return of[bulk](t, "elasticsearch", func(s *bulk) { s.URL, s.APIKey = secret(u), key })
		}, bulkAPI("/logs-tocsin.alert-default/_bulk", "ApiKey "+token)},
		{"opensearch", func(u string) outputs.Settings {
			return of[bulk](t, "opensearch", func(s *bulk) { s.URL, s.Basic = secret(u), basic{"tocsin", key} })
		}, bulkAPI("/tocsin-alerts/_bulk", "Basic dG9jc2luOnMzY3JldC10b2tlbg==")},
		{"loki", func(u string) outputs.Settings {
			return of[loki](t, "loki", func(s *loki) { s.URL, s.Tenant, s.Token = secret(u), "t1", key })
		}, lokiPush},
		{"datadog", func(u string) outputs.Settings {
			return of[datadog](t, "datadog", func(s *datadog) { s.URL, s.APIKey, s.Tags = secret(u), key, []string{"env:prod"} })
		}, datadogIntake},
		{"pagerduty", func(u string) outputs.Settings {
			return of[pagerduty](t, "pagerduty", func(s *pagerduty) { s.URL, s.RoutingKey = secret(u+"/v2/enqueue"), key })
		}, pagerdutyEvents},
		{"opsgenie", func(u string) outputs.Settings {
			return of[opsgenie](t, "opsgenie", func(s *opsgenie) { s.URL, s.APIKey, s.Responders = secret(u), key, []string{"soc"} })
		}, opsgenieAlerts},
		{"alertmanager", func(u string) outputs.Settings {
			return of[alertmanager](t, "alertmanager", func(s *alertmanager) { s.URL, s.Labels = secret(u), map[string]string{"team": "security"} })
		}, alertmanagerAlerts},
		{"discord", func(u string) outputs.Settings {
			return of[discord](t, "discord", func(s *discord) { s.URL = secret(u + "/api/webhooks/1/" + token) })
		}, discordWebhook},
		{"mattermost", func(u string) outputs.Settings {
			return of[mattermost](t, "mattermost", func(s *mattermost) { s.URL, s.Channel = secret(u+"/hooks/"+token), "soc" })
		}, mattermostHook},
		{"teams", func(u string) outputs.Settings {
			return of[teams](t, "teams", func(s *teams) { s.URL = secret(u + "/workflows/1?sig=" + token) })
		}, teamsWorkflow},
		{"google_chat", func(u string) outputs.Settings {
			return of[googleChat](t, "google_chat", func(s *googleChat) { s.URL = secret(u + "/v1/spaces/A/messages?key=k&token=" + token) })
		}, googleChatSpace},
		{"telegram", func(u string) outputs.Settings {
			return of[telegram](t, "telegram", func(s *telegram) { s.URL, s.Token, s.ChatID, s.ThreadID = secret(u), key, "-100", 7 })
		}, telegramBot},
	}
}

// serve starts a server that refuses, as the service does, what it does not understand.
func (s service) serve(t testing.TB) *outputtest.Receiver {
	var r *outputtest.Receiver //nolint:staticcheck // the function refers to it
	r = outputtest.NewReceiver(t, func(req *http.Request, body []byte) []string {
		var ignored answer
		ids, err := s.accept(&ignored, req, body)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		return ids
	})
	r.OK = func(w http.ResponseWriter, req *http.Request) {
		all := r.Requests()
		_, _ = s.accept(w, req, all[len(all)-1].Body)
	}
	return r
}

// answer is an answer that nobody reads.
type answer struct{ header http.Header }

func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}
func (*answer) Write(p []byte) (int, error) { return len(p), nil }
func (*answer) WriteHeader(int)             {}

func TestSuite(t *testing.T) {
	for _, s := range services(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			outputtest.Run(t, func(t *testing.T) *outputtest.Target {
				r := s.serve(t)
				return &outputtest.Target{
					Settings: s.make(r.URL), Refused: s.make("http://" + outputtest.ClosedPort(t)), Behave: r.Behave, Received: r.Received, Secrets: []string{token},
				}
			})
		})
	}
}

func open(t testing.TB, s outputs.Settings) outputs.Output {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	out, err := outputs.Open(s, outputs.Env{Name: "o", Version: "1.0.0", ExternalURL: "https://tocsin.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

// What each destination gets for each kind; go test ./outputs/preset -update writes the files, a reviewer reads them.
func TestGolden(t *testing.T) {
	g := goldie.New(t, goldie.WithFixtureDir("testdata/golden"), goldie.WithNameSuffix(".txt"))
	for _, s := range services(t) {
		r := s.serve(t)
		out := open(t, s.make(r.URL))
		var batch []finding.Notification
		for i, kind := range outputtest.Kinds {
			batch = append(batch, outputtest.Notification(kind, i))
		}
		acknowledged := outputtest.Notification(finding.KindUpdate, 1)
		acknowledged.Alert.Status = finding.Acknowledged
		if err := out.Send(t.Context(), append(batch, acknowledged)); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		var b bytes.Buffer
		for _, req := range r.Requests() {
			target := req.Path
			if req.Query != "" {
				target += "?" + req.Query
			}
			fmt.Fprintf(&b, "%s %s\n", req.Method, target)
			for _, k := range []string{"Authorization", "Content-Type", "Dd-Api-Key", "X-Scope-Orgid"} {
				if v := req.Header.Get(k); v != "" {
					fmt.Fprintf(&b, "%s: %s\n", k, v)
				}
			}
			d := json.NewDecoder(bytes.NewReader(req.Body))
			for d.More() { // some have several objects behind one another
				var raw json.RawMessage
				if err := d.Decode(&raw); err != nil {
					t.Fatal(err)
				}
				b.WriteByte('\n')
				if err := json.Indent(&b, raw, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			b.WriteString("\n\n")
		}
		g.Assert(t, s.name, b.Bytes())
	}
}

// A batch that is larger than the type takes goes out in several requests.
func TestLargeBatch(t *testing.T) {
	s := services(t)[7] // alertmanager takes 64
	r := s.serve(t)
	var batch []finding.Notification
	for i := range 150 {
		batch = append(batch, outputtest.Notification(finding.KindAlert, i))
	}
	if err := open(t, s.make(r.URL)).Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got := len(r.Requests()); got != 3 || len(r.Received()) != 150 {
		t.Errorf("%d requests, %d alerts", got, len(r.Received()))
	}
}

// Some of a batch are refused, others exist already.
func TestBulkPartial(t *testing.T) {
	s := services(t)[1]
	r := s.serve(t)
	r.IDs = func(*http.Request, []byte) []string { return nil }
	r.OK = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},`+
			`{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse"}}},{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}]}`)
	}
	var batch []finding.Notification
	for i := range 4 {
		batch = append(batch, outputtest.Notification(finding.KindAlert, i))
	}
	var p outputs.Partial
	err := open(t, s.make(r.URL)).Send(t.Context(), batch)
	if !errors.As(err, &p) || len(p) != 2 || !outputs.IsPermanent(p[2]) || p[3] == nil || outputs.IsPermanent(p[3]) {
		t.Errorf("%v %#v", err, p)
	}
	r.OK = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>a proxy</html>`) }
	if err := open(t, s.make(r.URL)).Send(t.Context(), batch); err == nil || outputs.IsPermanent(err) {
		t.Errorf("an answer of something else: %v", err)
	}
}

// What somebody must mend in the set-up waits instead of dying.
func TestSetupIsTemporary(t *testing.T) {
	for _, x := range []struct {
		service, body, want string
		code                int
		permanent           bool
		pause               time.Duration
	}{
		{"splunk_hec", `{"text":"Incorrect index","code":7,"invalid-event-number":1}`, "Incorrect index; check index", 400, false, 0},
		{"splunk_hec", `{"text":"Data channel is missing","code":10}`, "set channel", 400, false, 0},
		{"splunk_hec", `{"text":"Invalid data format","code":6}`, "Invalid data format", 400, true, 0},
		{"splunk_hec", `{"text":"Invalid token ` + token + `","code":4}`, "Invalid token •••", 403, false, 0},
		{"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, "check chat_id", 400, false, 0},
		{"telegram", `{"ok":false,"error_code":400,"description":"Bad Request: message is too long"}`, "too long", 400, true, 0},
		{"telegram", `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 9","parameters":{"retry_after":9}}`, "Too Many", 429, false, 9 * time.Second},
		{"pagerduty", `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect"]}`, "routing_key", 400, true, 0},
	} {
		list := services(t)
		s := list[slices.IndexFunc(list, func(s service) bool { return s.name == x.service })]
		r := s.serve(t)
		r.OK = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(x.code)
			fmt.Fprint(w, x.body)
		}
		err := open(t, s.make(r.URL)).Send(t.Context(), []finding.Notification{outputtest.Notification(finding.KindAlert, 1)})
		var pause *outputs.RetryAfterError
		if err == nil || !strings.Contains(err.Error(), x.want) || outputs.IsPermanent(err) != x.permanent || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", x.body, err)
		} else if errors.As(err, &pause) != (x.pause > 0) || pause != nil && pause.After != x.pause {
			t.Errorf("%s: %#v", x.body, err)
		}
	}
}

// What an attacker can put into a finding mentions nobody, makes no link, and stays within what the service takes.
func TestHostileText(t *testing.T) {
	long := strings.Repeat("ä@all <https://evil.example> [x](http://evil.example) `*_~|<!channel>&\x00\n\u2028\xff", 25)
	n := outputtest.Notification(finding.KindAlert, 1)
	n.Alert.Message, n.Alert.Rule.Name, n.Alert.Host, n.Alert.Rule.ID = long, long, long, long
	n.Alert.Process.Args, n.Alert.Process.Executable, n.Alert.Process.User, n.Alert.Container.Name = []string{long}, long, long, long
	d := outputtest.Notification(finding.KindDigest, 1)
	d.Digest = nil
	for range 100 {
		d.Digest = append(d.Digest, *n.Alert)
	}
	for _, s := range services(t) {
		r := s.serve(t)
		out := open(t, s.make(r.URL))
		for _, n := range []finding.Notification{n, d} {
			if err := out.Send(t.Context(), []finding.Notification{n}); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		}
		for _, req := range r.Requests() {
			switch s.name {
			case "discord", "mattermost", "teams":
				var all any
				if err := json.Unmarshal(req.Body, &all); err != nil {
					t.Fatal(err)
				}
				walk(all, func(k, text string) {
					if k != "fallback" && (strings.Contains(text, "@all") || strings.Contains(text, "https://evil") || strings.Contains(text, " [x]")) {
						t.Errorf("%s: markup in %s: %.200s", s.name, k, text)
					}
				})
			case "google_chat", "telegram":
				if bytes.Contains(req.Body, []byte("<https:")) && s.name == "telegram" {
					t.Errorf("%s: markup", s.name)
				}
			}
		}
	}
}

func walk(v any, visit func(key, text string)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok {
				visit(k, s)
			} else {
				walk(x, visit)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for name, s := range map[string]outputs.Settings{
		"url":      of[splunk](t, "splunk_hec", func(s *splunk) { s.URL, s.Token = settings.NewSecret("hec:8088"), key }),
		"index":    of[bulk](t, "elasticsearch", func(s *bulk) { s.URL, s.Index = settings.NewSecret("http://x"), "Not An Index" }),
		"both":     of[bulk](t, "elasticsearch", func(s *bulk) { s.URL, s.APIKey, s.Basic.Username = settings.NewSecret("http://x"), key, "u" }),
		"label":    of[loki](t, "loki", func(s *loki) { s.URL, s.Labels = settings.NewSecret("http://x"), map[string]string{"a-b": "c"} }),
		"site":     of[datadog](t, "datadog", func(s *datadog) { s.APIKey, s.Site = key, "eu/ x" }),
		"resolves": of[alertmanager](t, "alertmanager", func(s *alertmanager) { s.URL, s.ResolveAfter = settings.NewSecret("http://x"), 0 }),
	} {
		if err := s.Validate(); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestBase(t *testing.T) {
	for in, want := range map[string]string{
		"https://hec:8088":                              "https://hec:8088/services/collector/event",
		"https://hec:8088/":                             "https://hec:8088/services/collector/event",
		"https://proxy/splunk?x=1":                      "https://proxy/splunk/services/collector/event?x=1",
		"https://hec:8088/services/collector/event":     "https://hec:8088/services/collector/event",
		"https://user:pw@hec/services/collector/event/": "https://user:pw@hec/services/collector/event/",
	} {
		got, err := base(settings.NewSecret(in), "/services/collector/event")
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
		if _, err := url.Parse(got); err != nil {
			t.Error(err)
		}
	}
}
