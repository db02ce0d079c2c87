package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

func (w *world) first(query string) finding.Alert {
	w.t.Helper()
	var l listed
	w.do("GET", "/alerts"+query, "", &l)
	if len(l.Alerts) == 0 {
		w.t.Fatalf("no alert for %s: %+v", query, l)
	}
	return l.Alerts[0]
}

func TestTriage(t *testing.T) {
	secret, tok := NewToken("alice", []Scope{Triage}, time.Time{})
	w := open(t, func(o *Options) { o.Tokens = []Token{tok} })
	w.token = secret
	w.add(mk(1, "shell", finding.Low), mk(2, "escape", finding.Critical, "T1611"))
	a := w.first("?rule=escape")
	path := "/v1/alerts/" + a.ID

	var got finding.Alert
	res := w.do("PATCH", path, `{"status":"acknowledged","assignee":"bob"}`, &got, "If-Match", `"1"`)
	if res.StatusCode != 200 || got.Status != finding.Acknowledged || got.Assignee != "bob" || got.Version != 2 || res.Header.Get("ETag") != `"2"` {
		t.Fatalf("%d %+v", res.StatusCode, got)
	}
	for body, status := range map[string]int{
		`{"status":"closed"}`:                            422, // no reason
		`{"status":"done"}`:                              422,
		`{"reason":"expected"}`:                          422, // not closed
		`{"nonsense":1}`:                                 422,
		`{"status":"closed","reason":"true_positive"}`:   412, // an old version
		`{"status":"closed","reason":"because of that"}`: 422,
	} {
		header := []string{"If-Match", `"2"`}
		if status == 412 {
			header[1] = `"1"`
		}
		if res := w.do("PATCH", path, body, nil, header...); res.StatusCode != status {
			t.Errorf("%s: %d, want %d", body, res.StatusCode, status)
		}
	}
	if res := w.do("PATCH", "/v1/alerts/a-nope", `{"status":"open"}`, nil); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
	var notes struct{ Notes []store.Note }
	if res := w.do("POST", path+"/notes", `{"text":"looking"}`, &notes); res.StatusCode != 201 || len(notes.Notes) != 1 || notes.Notes[0].Author != "alice" {
		t.Errorf("%d %+v", res.StatusCode, notes)
	}
	if w.do("PATCH", path, `{"status":"closed","reason":"true_positive"}`, &got); got.Status != finding.Closed || got.Reason != finding.TruePositive {
		t.Errorf("%+v", got)
	}
	var tl struct{ Timeline []TimelineEntry }
	w.do("GET", path+"/timeline", "", &tl)
	kinds := map[string]int{}
	for _, e := range tl.Timeline {
		kinds[e.Kind]++
		if e.Kind == "change" && e.Who != "alice" {
			t.Errorf("%+v", e)
		}
	}
	if kinds["finding"] != 1 || kinds["change"] != 3 || kinds["delivery"] != 1 {
		t.Errorf("%v", kinds)
	}
	// The group goes on in a new alert, and the closed one can't be opened beside it.
	w.add(mk(3, "escape", finding.Critical))
	if b := w.first("?rule=escape&status=open"); b.ID == a.ID {
		t.Error("a closed alert took a finding")
	}
	if res := w.do("PATCH", path, `{"status":"open"}`, nil); res.StatusCode != 422 {
		t.Errorf("reopened beside another: %d", res.StatusCode)
	}
}

func TestBulk(t *testing.T) {
	w := open(t, nil)
	for i := range 5 {
		w.add(mk(i, fmt.Sprint("rule", i), finding.Low))
	}
	w.add(mk(9, "other", finding.High))
	for body, status := range map[string]int{
		`{"status":"acknowledged"}`:                                                     422,
		`{"ids":["x"],"filter":{"rule":"x"},"status":"acknowledged"}`:                   422,
		`{"filter":{"severity":"low"},"status":"acknowledged"}`:                         422, // no expect_count
		`{"filter":{"severity":"low"},"expect_count":4,"status":"acknowledged"}`:        409,
		`{"filter":{"severty":"low"},"expect_count":5,"status":"acknowledged"}`:         422,
		`{"ids":["a-nope"],"status":"acknowledged"}`:                                    409,
		`{"filter":{"severity":"low"},"expect_count":5,"status":"closed"}`:              422,
		`{"filter":{"severity":"high","status":"closed"},"expect_count":1,"note":"no"}`: 409,
	} {
		if res := w.do("POST", "/v1/alerts/bulk", body, nil); res.StatusCode != status {
			t.Errorf("%s: %d, want %d", body, res.StatusCode, status)
		}
	}
	var out struct{ Changed []string }
	res := w.do("POST", "/v1/alerts/bulk", `{"filter":{"severity":"low","status":"open"},"expect_count":5,"status":"closed","reason":"false_positive"}`, &out)
	if res.StatusCode != 200 || len(out.Changed) != 5 {
		t.Fatalf("%d %+v", res.StatusCode, out)
	}
	var l listed
	if w.do("GET", "/alerts?status=closed", "", &l); len(l.Alerts) != 5 {
		t.Errorf("%d closed", len(l.Alerts))
	}
}

func TestSilences(t *testing.T) {
	w := open(t, nil)
	w.add(mk(1, "shell", finding.Low), mk(2, "shell", finding.Low), mk(3, "escape", finding.High))
	for body, says := range map[string]string{
		`{"match":{"rule":"shell"},"for":"1h"}`:                              "at least 2 fields",
		`{"match":{"rule":"shell","host":"node-1"}}`:                         "validation failed",
		`{"match":{"rule":"shell","host":"node-1"},"for":"60d"}`:             "at most",
		`{"match":{"rule":"shell","hots":"node-1"},"for":"1h"}`:              "validation failed",
		`{"match":{"rule":"shell","host":"x"},"end":"2020-01-01T00:00:00Z"}`: "end after it starts",
	} {
		var p listed
		if res := w.do("POST", "/v1/silences", body, &p); res.StatusCode != 422 || !strings.Contains(p.Detail, says) {
			t.Errorf("%s: %d %+v", body, res.StatusCode, p)
		}
	}
	var p Preview
	if w.do("POST", "/v1/silences/preview", `{"match":{"rule":"shell"}}`, &p); p.Findings != 2 || p.Scanned != 3 || p.Refused == "" || len(p.Alerts) != 1 || p.Severity["low"] != 2 {
		t.Errorf("%+v", p)
	}
	var s Silence
	if res := w.do("POST", "/v1/silences", `{"match":{"rule":"shell","host":"node-1"},"for":"2h","comment":"known"}`, &s); res.StatusCode != 201 || s.State != "active" || s.Author != "local" || s.End.Sub(s.Start) != 2*time.Hour {
		t.Fatalf("%d %+v", res.StatusCode, s)
	}
	var tr router.Trace
	if w.do("GET", "/v1/routes/test?rule=shell&host=node-1&severity=low", "", &tr); len(tr.Outputs) != 0 || !tr.Suppressed[0].Holds {
		t.Errorf("%+v", tr)
	}
	var list struct{ Silences []Silence }
	if w.do("GET", "/v1/silences", "", &list); len(list.Silences) != 1 {
		t.Errorf("%+v", list)
	}
	if w.do("DELETE", "/v1/silences/"+s.ID, "", &s); s.State != "expired" {
		t.Errorf("%+v", s)
	}
	if w.do("GET", "/v1/silences", "", &list); len(list.Silences) != 0 {
		t.Errorf("%+v", list)
	}
	if w.do("GET", "/v1/silences?expired=true", "", &list); len(list.Silences) != 1 {
		t.Errorf("%+v", list)
	}
	var audit struct{ Entries []store.Entry }
	if w.do("GET", "/v1/audit?object="+s.ID, "", &audit); len(audit.Entries) != 2 || audit.Entries[0].Action != "silence.end" {
		t.Errorf("%+v", audit)
	}
}

func TestRoutesTest(t *testing.T) {
	w := open(t, nil)
	var tr router.Trace
	if w.do("GET", "/routes/test?severity=critical&technique=T1611.001", "", &tr); fmt.Sprint(tr.Outputs) != "[pager]" { // a later version of ATT&CK may have it
		t.Errorf("%+v", tr)
	}
	if w.do("GET", "/routes/test?severity=critical&technique=T1055.008", "", &tr); fmt.Sprint(tr.Outputs) != "[pager]" {
		t.Errorf("%+v", tr)
	}
	body, _ := json.Marshal(mk(1, "x", finding.Low))
	if res := w.do("POST", "/v1/routes/test", string(body), &tr); fmt.Sprint(tr.Outputs) != "[soc]" {
		t.Errorf("%d %+v", res.StatusCode, tr)
	}
}

func TestCounts(t *testing.T) {
	w := open(t, func(o *Options) {
		o.Rules = func() []RuleInfo {
			a, _ := finding.ATTACK().Resolve("T1611")
			return []RuleInfo{{Rule: finding.Rule{ID: "escape"}, Attack: a}}
		}
	})
	w.add(mk(1, "shell", finding.Low, "T1059.004"), mk(2, "shell", finding.Low), mk(3, "escape", finding.Critical, "T1611"))
	var facets struct{ Facets map[string][]store.Facet }
	w.do("GET", "/v1/facets?fields=severity,rule,technique&severity=>=low", "", &facets)
	if fmt.Sprint(facets.Facets) != "map[rule:[{escape 1} {shell 1}] severity:[{critical 1} {low 1}] technique:[{T1059.004 1} {T1611 1}]]" {
		t.Errorf("%v", facets)
	}
	var h struct {
		Buckets []store.Bucket
	}
	res := w.do("GET", "/v1/histogram?step=1h&since=3h", "", &h)
	n := uint64(0)
	for _, b := range h.Buckets {
		n += b.Counts["low"]
	}
	if res.StatusCode != 200 || len(h.Buckets) < 3 || n != 2 {
		t.Errorf("%d %+v", res.StatusCode, h)
	}
	for _, bad := range []string{"step=7s", "step=5m&since=365d", "severity=urgent", "by=pod"} {
		if res := w.do("GET", "/v1/histogram?"+bad, "", nil); res.StatusCode != 422 {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
	var at struct {
		Version    string
		Techniques []TechniqueState
	}
	w.do("GET", "/v1/attack", "", &at)
	got := map[string]string{}
	for _, x := range at.Techniques {
		got[x.ID] = fmt.Sprint(x.Alerts, x.Rules)
	}
	if fmt.Sprint(got) != "map[T1059.004:1 [] T1611:1 [escape]]" {
		t.Errorf("%v", got)
	}
	var rules struct{ Rules []RuleInfo }
	if w.do("GET", "/v1/rules", "", &rules); len(rules.Rules) != 1 || rules.Rules[0].ID != "escape" {
		t.Errorf("%+v", rules)
	}
}

type fakeOutputs struct{ tested string }

func (f *fakeOutputs) List() []OutputInfo {
	return []OutputInfo{{Name: "soc", Type: "slack", Backlog: 3}}
}

func (f *fakeOutputs) Test(_ context.Context, name string) error {
	f.tested = name
	return errors.New("slack: channel_not_found")
}

func TestOutputsAndDeadLetters(t *testing.T) {
	o := &fakeOutputs{}
	w := open(t, func(opts *Options) { opts.Outputs = o })
	for i := range 5 {
		err := w.st.Bury(t.Context(), store.Delivery{
			ID: fmt.Sprint("n-", i), Output: "soc", Kind: finding.KindAlert, Attempts: 7, Error: "410 gone",
			Created: time.Now(), Updated: time.Now().Add(time.Duration(i) * time.Second), Body: json.RawMessage(`{"id":"n"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var l struct {
		Deliveries []store.Delivery
		Next       string
	}
	if w.do("GET", "/v1/outputs/soc/dead-letters?limit=3", "", &l); len(l.Deliveries) != 3 || l.Deliveries[0].ID != "n-4" || l.Next != "n-2" {
		t.Errorf("%+v", l)
	}
	if w.do("GET", "/v1/outputs/soc/dead-letters?limit=3&cursor=n-2", "", &l); len(l.Deliveries) != 2 || l.Deliveries[0].Error != "410 gone" {
		t.Errorf("%+v", l)
	}
	var n struct{ ID string }
	if w.do("GET", "/v1/outputs/soc/dead-letters/n-1", "", &n); n.ID != "n" {
		t.Errorf("%+v", n)
	}
	var r struct{ Retried int }
	if w.do("POST", "/v1/outputs/soc/dead-letters/retry", `{"ids":["n-1"]}`, &r); r.Retried != 1 {
		t.Errorf("%+v", r)
	}
	if w.do("POST", "/v1/outputs/soc/dead-letters/retry", `{}`, &r); r.Retried != 4 {
		t.Errorf("%+v", r)
	}
	if res := w.do("POST", "/v1/outputs/soc/dead-letters/retry", `{"ids":["n-1"]}`, nil); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
	var outs struct{ Outputs []OutputState }
	if w.do("GET", "/v1/outputs", "", &outs); len(outs.Outputs) != 1 || outs.Outputs[0].Unqueued != 5 || outs.Outputs[0].Backlog != 3 {
		t.Errorf("%+v", outs)
	}
	if res := w.do("POST", "/v1/outputs/soc/test", "", nil); res.StatusCode != 502 || o.tested != "soc" {
		t.Errorf("%d", res.StatusCode)
	}
	if res := w.do("POST", "/v1/outputs/nope/test", "", nil); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
}

type sink struct {
	list []finding.Finding
	err  error
}

func (s *sink) Store(_ context.Context, list ...*finding.Finding) error {
	for _, f := range list {
		s.list = append(s.list, *f)
	}
	return s.err
}

func TestIngest(t *testing.T) {
	s := &sink{}
	w := open(t, func(o *Options) { o.Findings = s })
	const event = `{"rule":"Terminal shell","priority":"Notice","time":"2026-03-01T12:00:00Z","tags":["T1059"],"output_fields":{"container.id":"host"}}`
	var a struct {
		Accepted int
		Rejected []string
	}
	if res := w.do("POST", "/v1/ingest/falco", event, &a); res.StatusCode != 200 || a.Accepted != 1 || s.list[0].Rule.ID != "terminal_shell" {
		t.Errorf("%d %+v", res.StatusCode, a)
	}
	// Falco says application/json; others say what they like.
	if res := w.do("POST", "/ingest/falco", event+event+`{}`, &a, "Content-Type", "text/plain"); res.StatusCode != 200 || a.Accepted != 2 || len(a.Rejected) != 1 {
		t.Errorf("%d %+v", res.StatusCode, a)
	}
	if res := w.do("POST", "/v1/ingest/falco", `{"rule":`, nil); res.StatusCode != 422 {
		t.Errorf("%d", res.StatusCode)
	}
	if res := w.do("POST", "/v1/ingest/tracee", `{"metadata":{"Properties":{"Severity":3,"signatureID":"TRC-1"}},"timestamp":1772366400123456789}`, &a); res.StatusCode != 200 || a.Accepted != 1 {
		t.Errorf("%d %+v", res.StatusCode, a)
	}
	if res := w.do("POST", "/v1/ingest/falco", strings.Repeat(" ", maxIngest+1)+event, nil); res.StatusCode != 413 {
		t.Errorf("%d", res.StatusCode)
	}
	s.err = errors.New("NATS can't be reached")
	if res := w.do("POST", "/v1/ingest/falco", event, nil); res.StatusCode != 503 {
		t.Errorf("stored nothing and said %d", res.StatusCode)
	}
}

// follow reads events until it has n alerts, and returns their rules and the last id.
func (w *world) follow(lastID string, n int, meanwhile func()) (rules []string, id string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 60*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/v1/stream?severity=>=medium", nil)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	sc := bufio.NewScanner(res.Body)
	event := ""
	for sc.Scan() {
		line := sc.Text()
		if x, ok := strings.CutPrefix(line, "id: "); ok {
			id = x
		}
		if x, ok := strings.CutPrefix(line, "event: "); ok {
			event = x
		}
		if x, ok := strings.CutPrefix(line, "data: "); ok {
			if event == "ready" && meanwhile != nil {
				go meanwhile()
			}
			if event == "alert" {
				var a finding.Alert
				if err := json.Unmarshal([]byte(x), &a); err != nil {
					w.t.Error(err)
				}
				if rules = append(rules, a.Rule.ID); len(rules) == n {
					return rules, id
				}
			}
		}
	}
	w.t.Fatalf("the stream ended after %v", rules)
	return nil, ""
}

func TestStreamResumes(t *testing.T) {
	w := open(t, nil)
	w.add(mk(1, "before", finding.High))
	rules, id := w.follow("", 1, func() { w.add(mk(2, "noise", finding.Low), mk(3, "first", finding.High)) })
	if fmt.Sprint(rules) != "[first]" {
		t.Errorf("%v", rules)
	}
	w.add(mk(4, "second", finding.High))
	w.add(mk(5, "third", finding.Critical))
	if rules, _ = w.follow(id, 2, nil); fmt.Sprint(rules) != "[second third]" {
		t.Errorf("%v", rules)
	}
	if rules, _ = w.follow("0", 4, nil); fmt.Sprint(rules) != "[before first second third]" {
		t.Errorf("%v", rules)
	}
}
