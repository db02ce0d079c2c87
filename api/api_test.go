package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

// world is an API over a real store.
type world struct {
	t     *testing.T
	st    *store.Store
	url   string
	token string
	table *router.Table
}

func open(t *testing.T, change func(*Options)) *world {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{SQLite: filepath.Join(t.TempDir(), "a.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	wait := time.Duration(0)
	table, err := router.Compile(router.Config{
		Outputs: map[string]router.Output{"soc": {}, "pager": {}},
		Routes: []router.Route{
			{Name: "page", Match: map[string]any{"severity": "critical"}, Outputs: []string{"pager"}, Group: &router.Group{Wait: &wait}},
			{Name: "rest", Outputs: []string{"soc"}, Group: &router.Group{Wait: &wait}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, st: st, table: table}
	o := Options{Store: st, Table: func() *router.Table { return table }, Registry: prometheus.NewRegistry(), Version: "test"}
	if change != nil {
		change(&o)
	}
	srv := httptest.NewServer(New(o))
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

// add routes findings into the store.
func (w *world) add(list ...finding.Finding) {
	w.t.Helper()
	err := w.st.Work(w.t.Context(), func(tx *store.Tx) error {
		ctx := context.Background()
		st := router.NewState(time.Now(), nil)
		if err := tx.Load(ctx, w.table.Needs(refs(list)), st); err != nil {
			return err
		}
		w.table.Apply(st, refs(list))
		for i := range st.Notifications {
			body, _ := json.Marshal(&st.Notifications[i])
			if err := tx.Outbox(ctx, &st.Notifications[i], body); err != nil {
				return err
			}
		}
		return tx.Save(ctx, st.Changes())
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func mk(i int, rule string, sev finding.Severity, techniques ...string) finding.Finding {
	f := finding.Finding{
		ID: fmt.Sprintf("f-%s-%04d", rule, i), Time: time.Now().Add(-time.Hour + time.Duration(i)*time.Second).UTC(), Host: "node-1", Origin: "container", Source: "tocsin",
		Severity: sev, Rule: finding.Rule{ID: rule, Name: "Rule " + rule, Tags: []string{"linux", rule}}, Message: "it's " + rule,
		Process:    &finding.Process{PID: 42, Name: "sh", Executable: "/bin/sh"},
		Container:  &finding.Container{ID: "0123456789abcdef", Name: "web", Image: "nginx:1"},
		Kubernetes: &finding.Kubernetes{Namespace: "shop", PodName: "web-0", Labels: map[string]string{"app.kubernetes.io/name": "web"}},
		Event:      json.RawMessage(`{"eventName":"x"}`),
	}
	for _, t := range techniques {
		a, _ := finding.ATTACK().Resolve(t)
		f.Attack = append(f.Attack, a...)
	}
	return f
}

// do makes a request and decodes the answer.
func (w *world) do(method, path, body string, into any, header ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if into != nil {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			w.t.Errorf("%s %s: %d %v", method, path, res.StatusCode, err)
		}
	}
	return res
}

type listed struct {
	Alerts []finding.Alert
	Next   string
	Detail string
	Errors []struct{ Location, Message string }
}

func TestAlerts(t *testing.T) {
	w := open(t, nil)
	w.add(mk(1, "shell", finding.Low, "T1059.004"), mk(2, "shell", finding.Low, "T1059.004"), mk(3, "escape", finding.Critical, "T1611"), mk(4, "trace", finding.High, "T1055.008"))
	for query, want := range map[string]string{
		"":                                   "trace escape shell",
		"?severity=>=high":                   "trace escape",
		"?severity=low,critical":             "escape shell",
		"?severity=!low":                     "trace escape",
		"?technique=T1055":                   "trace",
		"?technique=T1059.004,T1611":         "escape shell",
		"?technique=!T1611":                  "trace shell",
		"?technique=T10*":                    "trace shell",
		"?tactic=privilege-escalation":       "escape",
		"?rule=s*":                           "shell",
		"?rule=~(shell|trace)":               "trace shell",
		"?rule=!~s.*":                        "trace escape",
		"?tag=escape":                        "escape",
		"?namespace=shop&status=open&q=SHEL": "shell",
		"?q=it's+escape":                     "escape",
		"?container=0123456789ab":            "trace escape shell",
		"?container=web&process=sh&uid=0":    "trace escape shell",
		"?container=!web":                    "",
		"?label.app.kubernetes.io/name=web":  "trace escape shell",
		"?cluster=!x":                        "",
		"?host=node-?&sort=severity":         "shell trace escape",
		"?sort=-count":                       "shell trace escape",
		"?status=closed":                     "",
		"?since=30m":                         "",
		"?since=2h&until=1s":                 "trace escape shell",
	} {
		for _, prefix := range []string{"/alerts", "/v1/alerts"} {
			var l listed
			res := w.do("GET", prefix+query, "", &l)
			var got []string
			for _, a := range l.Alerts {
				got = append(got, a.Rule.ID)
			}
			gotText := strings.Join(got, " ")
			if query == "?sort=-count" && strings.HasPrefix(gotText, "shell") {
				gotText = want // the others are equal
			}
			if res.StatusCode != 200 || gotText != want {
				t.Errorf("%s%s: %d %q, want %q %v", prefix, query, res.StatusCode, gotText, want, l)
			}
		}
	}
	var one finding.Alert
	var l listed
	w.do("GET", "/alerts?rule=shell", "", &l)
	res := w.do("GET", "/alerts/"+l.Alerts[0].ID, "", &one)
	if one.Count != 2 || one.Finding == nil || one.Attack[0].SubTechnique.ID != "T1059.004" || res.Header.Get("ETag") != `"1"` {
		t.Errorf("%+v %v", one, res.Header)
	}
	var fs struct{ Findings []finding.Finding }
	if w.do("GET", "/v1/alerts/"+one.ID+"/findings?limit=1", "", &fs); len(fs.Findings) != 1 || fs.Findings[0].ID != "f-shell-0002" {
		t.Errorf("%+v", fs)
	}
	var ds struct{ Deliveries []store.Delivery }
	if w.do("GET", "/v1/alerts/"+one.ID+"/deliveries", "", &ds); len(ds.Deliveries) != 1 || ds.Deliveries[0].Output != "soc" {
		t.Errorf("%+v", ds)
	}
	if w.do("GET", "/v1/findings?rule=escape", "", &fs); len(fs.Findings) != 1 || fs.Findings[0].Rule.ID != "escape" {
		t.Errorf("%+v", fs)
	}
}

func TestPages(t *testing.T) {
	w := open(t, nil)
	var list []finding.Finding
	for i := range 25 {
		list = append(list, mk(i/2, fmt.Sprintf("rule%02d", i), finding.Severity(i%5)))
	}
	w.add(list...)
	for _, sort := range []string{"-last_seen", "severity", "-count", "first_seen"} {
		seen := map[string]bool{}
		cursor := ""
		for pages := 0; ; pages++ {
			var l listed
			w.do("GET", "/alerts?limit=10&sort="+sort+"&cursor="+url.QueryEscape(cursor), "", &l)
			for _, a := range l.Alerts {
				if seen[a.ID] {
					t.Errorf("%s: %s twice", sort, a.ID)
				}
				seen[a.ID] = true
			}
			if cursor = l.Next; cursor == "" {
				if pages != 2 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		if len(seen) != 25 {
			t.Errorf("%s: %d alerts", sort, len(seen))
		}
	}
}

func TestProblems(t *testing.T) {
	w := open(t, nil)
	for _, c := range []struct {
		path   string
		status int
		where  string
		says   string
	}{
		{"/alerts?severty=high", 422, "query.severty", `did you mean "severity"?`},
		{"/alerts?severity=urgent", 422, "query.severity", "unknown severity"},
		{"/alerts?since=yesterday", 422, "query.since", "not a time"},
		{"/alerts?status=done", 422, "query.status", "use open"},
		{"/alerts?limit=100000", 422, "query.limit", "1000"},
		{"/alerts?cursor=xyz", 422, "query.cursor", "cursor"},
		{"/alerts?data.x=1", 422, "query.data.x", "can't be searched"},
		{"/alerts/nope", 404, "", ""},
		{"/nothing", 404, "", ""},
	} {
		var l listed
		res := w.do("GET", c.path, "", &l)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.path, res.StatusCode, res.Header.Get("Content-Type"))
		}
		if c.where != "" && (len(l.Errors) == 0 || l.Errors[0].Location != c.where || !strings.Contains(l.Errors[0].Message, c.says)) {
			t.Errorf("%s: %+v", c.path, l)
		}
	}
	if res := w.do("PUT", "/v1/alerts", "", nil); res.StatusCode != 405 {
		t.Errorf("PUT: %d", res.StatusCode)
	}
}

func TestHealthAndDescription(t *testing.T) {
	broken := false
	w := open(t, func(o *Options) {
		o.Ready = func() error {
			if broken {
				return fmt.Errorf("NATS can't be reached")
			}
			return nil
		}
	})
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/openapi.json"} {
		if res := w.do("GET", path, "", nil); res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	if w.do("GET", "/v1/openapi.json", "", &doc); !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Paths["/v1/alerts/{id}"] == nil {
		t.Errorf("%+v", doc)
	}
	broken = true
	var l listed
	if res := w.do("GET", "/readyz", "", &l); res.StatusCode != 503 || l.Detail != "NATS can't be reached" {
		t.Errorf("%d %+v", res.StatusCode, l)
	}
}

func TestTokens(t *testing.T) {
	readSecret, read := NewToken("alice", []Scope{Read}, time.Now().Add(time.Hour))
	oldSecret, old := NewToken("old", []Scope{Admin}, time.Now().Add(-time.Hour))
	ingestSecret, ingest := NewToken("falco", []Scope{Ingest}, time.Time{})
	tokens, err := ParseTokens("# who\n" + read.Line() + "\n" + old.Line() + "\n\n" + ingest.Line())
	if err != nil || len(tokens) != 3 {
		t.Fatal(err)
	}
	w := open(t, func(o *Options) { o.Tokens = tokens })
	for _, c := range []struct {
		token  string
		status int
	}{{"", 401}, {"nonsense", 401}, {oldSecret, 401}, {ingestSecret, 403}, {readSecret, 200}} {
		w.token = c.token
		for _, path := range []string{"/alerts", "/metrics"} {
			if res := w.do("GET", path, "", nil); res.StatusCode != c.status {
				t.Errorf("%s: %d, want %d", path, res.StatusCode, c.status)
			}
		}
	}
	w.token = ""
	if res := w.do("GET", "/healthz", "", nil); res.StatusCode != 200 {
		t.Error("health needs no token")
	}
	for text, want := range map[string]string{
		"a read never":                      "line 1: want 4 words",
		"\na reed never sha256:00":          `line 2: unknown scope "reed"`,
		"a read tomorrow sha256:00":         "is not a date",
		"a read never sha256:00":            "64 hex digits",
		"a read never hunter2-is-my-secret": "64 hex digits",
	} {
		if _, err := ParseTokens(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOnlyThisHostWithoutTokens(t *testing.T) {
	w := open(t, nil)
	if res := w.do("GET", "/alerts", "", nil, "Host", "evil.example:80"); res.StatusCode != 403 {
		t.Errorf("another Host: %d", res.StatusCode)
	}
	if res := w.do("POST", "/v1/alerts/bulk", "{}", nil, "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("cross-site: %d", res.StatusCode)
	}
	for addr, ok := range map[string]bool{"127.0.0.1:8700": true, "localhost:1": true, "[::1]:1": true, "0.0.0.0:8700": false, ":8700": false, "10.0.0.1:1": false, "nonsense": false} {
		if err := CheckListen(addr, nil); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := CheckListen("0.0.0.0:8700", []Token{{}}); err != nil {
		t.Error(err)
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add("# x\na read,triage never sha256:0000000000000000000000000000000000000000000000000000000000000000")
	f.Add("a admin 2027-01-31 sha256:00")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseTokens(text)
		if err != nil {
			return
		}
		for i := range list {
			again, err := ParseTokens(list[i].Line())
			if err != nil || len(again) != 1 || again[0].Hash != list[i].Hash {
				t.Errorf("%q does not survive Line: %v", text, err)
			}
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("24h")
	f.Add("7d")
	f.Add("2026-03-01T12:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		parseTime(text, time.Now())
	})
}

func refs(list []finding.Finding) (out []*finding.Finding) {
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}
