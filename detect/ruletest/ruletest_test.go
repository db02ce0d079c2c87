package ruletest_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/finding"
)

const rule = `package tracee.TRC_2

import data.tracee.helpers

__rego_metadoc__ := {"id": "TRC-2", "version": "0.1.0", "name": "Anti-Debugging", "properties": {"Severity": 3, "MITRE ATT&CK": "Defense Evasion: Execution Guardrails"}}

tracee_selected_events[eventSelector] {
	eventSelector := {"source": "tracee", "name": "ptrace"}
}

tracee_match {
	input.eventName == "ptrace"
	helpers.get_tracee_argument("request") == "PTRACE_TRACEME"
}

tracee_match {
	helpers.get_tracee_argument("request") == "PTRACE_NEVER"
	input.x == 1
}
`

const ruleTest = `package tracee.TRC_2

test_match_1 {
	tracee_match with input as {"eventName": "ptrace", "args": [{"name": "request", "value": "PTRACE_TRACEME"}]}
}

test_match_wrong_request {
	not tracee_match with input as {"eventName": "ptrace", "args": [{"name": "request", "value": "PTRACE_PEEKDATA"}]}
}

test_fails {
	tracee_match with input as {"eventName": "ptrace"}
}

todo_test_later {
	false
}
`

func source(files map[string]string) detect.Source {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return detect.Source{FS: m, Name: "rules"}
}

func TestRun(t *testing.T) {
	res, err := ruletest.Run(context.Background(), ruletest.Options{}, source(map[string]string{
		"trc2.rego": rule, "trc2_test.rego": ruleTest,
		"other.rego":       strings.ReplaceAll(rule, "TRC_2", "TRC_9"),
		"other_test.rego":  "package tracee.TRC_9\n\nimport rego.v1\n\ntest_it if tracee_match with input as {\"eventName\": \"ptrace\", \"args\": [{\"name\": \"request\", \"value\": \"PTRACE_TRACEME\"}]}\n",
		"broken_test.rego": "package tracee.TRC_3\n\ntest_x {",
		"untested.rego":    strings.ReplaceAll(rule, "TRC_2", "TRC_8"),
		"undef_test.rego":  "package tracee.TRC_4\n\ntest_x { nosuch(1) }",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if res.Passed != 3 || res.Failed != 3 || res.Skipped != 1 || res.OK() {
		t.Errorf("%+v", res)
	}
	for _, x := range res.Tests {
		if x.Name == "test_fails" && (x.Outcome != ruletest.Failed || x.File != "rules/trc2_test.rego" || x.Line != 11 ||
			!strings.HasPrefix(x.Message, "line 12 is not true: tracee_match with input as")) {
			t.Errorf("%+v", x)
		}
	}
	if len(res.Coverage.Files) != 3 || res.Coverage.Files[2].File != "rules/untested.rego" || res.Coverage.Files[2].Percent != 0 ||
		res.Coverage.Percent <= 0 || res.Coverage.Percent >= 100 {
		t.Errorf("coverage %+v", res.Coverage)
	}
}

// TestReplay: Tracee lost findings at the end of the input.
func TestReplay(t *testing.T) {
	rules, errs := detect.Load(source(map[string]string{"a.rego": rule}))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var got []*finding.Finding
	e, err := detect.New(detect.Options{Rules: rules, Sink: func(h detect.Hit) { got = append(got, h.Finding()) }})
	if err != nil {
		t.Fatal(err)
	}
	hit := `{"eventName":"ptrace","processId":%,"args":[{"name":"request","type":"string","value":"PTRACE_TRACEME"}]}`
	in := strings.Replace(hit, "%", "1", 1) + "\nnot an event\n\n" + strings.Replace(hit, "%", "2", 1)
	var bad []string
	n, err := ruletest.Replay(context.Background(), strings.NewReader(in), e, func(err error) error { bad = append(bad, err.Error()); return nil })
	if err != nil || n != 2 || len(got) != 2 {
		t.Errorf("%d events, %d findings, %v", n, len(got), err)
	}
	if len(bad) != 1 || !strings.HasPrefix(bad[0], "line 2: ") {
		t.Errorf("%v", bad)
	}
}
