package match

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

func sample() *finding.Finding {
	return &finding.Finding{
		ID: "f-1", Host: "node-1", Origin: "container", Source: "tocsin", Severity: finding.High,
		Rule:       finding.Rule{ID: "ptrace", Name: "Process traced", Tags: []string{"linux", "container"}},
		Attack:     []finding.Attack{{Tactic: finding.Ref{ID: "TA0005", Name: "Defense Evasion"}, Technique: finding.Ref{ID: "T1055", Name: "Process Injection"}, SubTechnique: &finding.Ref{ID: "T1055.008", Name: "Ptrace System Calls"}}},
		Process:    &finding.Process{PID: 7, Name: "gdb", Executable: "/usr/bin/gdb", User: "root"},
		Container:  &finding.Container{ID: "0123456789abcdef0123", Name: "web", Image: "nginx:1"},
		Kubernetes: &finding.Kubernetes{Namespace: "shop", PodName: "web-0", Labels: map[string]string{"app": "web"}},
		Data:       json.RawMessage(`{"path":"/etc/shadow","n":3,"deep":{"x":true},"k8s.ns":"a"}`),
		Event:      json.RawMessage(`{"args":[{"name":"pathname","type":"const char*","value":"/etc/shadow"}]}`),
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		doc  string
		want bool
	}{
		{`{}`, true},
		{`{"severity":"high"}`, true},
		{`{"severity":"HIGH"}`, true},
		{`{"severity":">=high"}`, true},
		{`{"severity":">=critical"}`, false},
		{`{"severity":"<=high"}`, true},
		{`{"severity":"!high"}`, false},
		{`{"severity":["low","hi*"]}`, true},
		{`{"technique":"T1055"}`, true},
		{`{"technique":"t1055.008"}`, true},
		{`{"technique":"T1055.001"}`, false},
		{`{"technique":"T105"}`, false},
		{`{"technique":"!T1055"}`, false},
		{`{"tactic":"defense-evasion"}`, true},
		{`{"tactic":["ta0005"]}`, true},
		{`{"rule":"ptr*","host":"node-?"}`, true},
		{`{"rule":"ptrace","host":"other"}`, false},
		{`{"host":"~node-[0-9]+"}`, true},
		{`{"host":"~ode-[0-9]+"}`, false},
		{`{"host":"!~node-[0-9]+"}`, false},
		{`{"host":["!db*","!web*"]}`, true},
		{`{"host":["!node*","!web*"]}`, false},
		{`{"host":["node*","!node-1"]}`, false},
		{`{"container":"web"}`, true},
		{`{"container":"0123456789ab"}`, true},
		{`{"cluster":"!x"}`, false},
		{`{"cluster":"*"}`, false},
		{`{"label.app":"web","label.none":"*"}`, false},
		{`{"label.app":"w*"}`, true},
		{`{"data.path":"/etc/*","data.n":3,"data.deep.x":true,"data.k8s.ns":"a"}`, true},
		{`{"arg.pathname":"/etc/shadow"}`, true},
		{`{"any":[{"severity":"critical"},{"severity":">=high","tactic":["privilege-escalation","defense-evasion"]}]}`, true},
		{`{"any":[{"severity":"critical"},{"technique":"T1611"}]}`, false},
		{`{"host":"node-1","any":[{"tag":"linux"}]}`, true},
	} {
		var doc any
		if err := json.Unmarshal([]byte(c.doc), &doc); err != nil {
			t.Fatal(err)
		}
		m, err := Parse(doc)
		if err != nil {
			t.Errorf("%s: %v", c.doc, err)
			continue
		}
		if got := m.Match(sample()); got != c.want {
			t.Errorf("%s: got %v", c.doc, got)
		}
		again, err := Parse(m.Document())
		if err != nil || again.Match(sample()) != c.want || !reflect.DeepEqual(again.Document(), m.Document()) {
			t.Errorf("%s: does not survive Document: %v", c.doc, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for doc, want := range map[string]string{
		`{"severty":"high"}`:               `severty: unknown field "severty": did you mean "severity"?`,
		`{"any":[{},{"technque":["T1"]}]}`: `any[1].technque: unknown field "technque": did you mean "technique"?`,
		`{"severity":["low","urgent"]}`:    `severity[1]: unknown severity "urgent": use info, low, medium, high, critical`,
		`{"host":">=high"}`:                `host: >= orders severities only`,
		`{"host":"~("}`:                    `host: regular expression: error parsing regexp: missing closing ): ` + "`^(?:()$`",
		`{"host":{"x":1}}`:                 `host: a value is a text or a number, not a map`,
		`{"host":[]}`:                      `host: an empty list matches nothing`,
		`["host"]`:                         `a matcher is a map of fields, not a list`,
		`{"any":{"host":"x"}}`:             `any: any takes a list of maps`,
		`{"zzzzzzzzzz":"x"}`:               `zzzzzzzzzz: unknown field "zzzzzzzzzz": fields are rule, `,
	} {
		var v any
		json.Unmarshal([]byte(doc), &v)
		_, err := Parse(v)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", doc, err, want)
		}
	}
}

func TestQuery(t *testing.T) {
	m, err := ParseQuery(`severity=>=high technique=T1611,T1055 name="Process traced" host=!db*`)
	if err != nil || !m.Match(sample()) || m.Fields() != 4 {
		t.Errorf("%v %+v", err, m)
	}
	if _, err := ParseQuery(`severity`); err == nil {
		t.Error("no error without =")
	}
	if _, err := ParseQuery(`name="x`); err == nil {
		t.Error("no error for an open quote")
	}
}

func TestGroupField(t *testing.T) {
	for name, want := range map[string]string{"rule": "ptrace", "container": "0123456789abcdef0123", "technique": "T1055.008", "tactic": "TA0005", "cluster": "", "label.app": "web"} {
		get, err := Field(name)
		if err != nil || get(sample()) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSample(t *testing.T) {
	values := map[string][]string{
		"rule": {"r"}, "name": {"n"}, "severity": {"critical"}, "technique": {"T1611", "T1055.008"}, "tactic": {"impact"}, "tag": {"a,b"}, "cluster": {"c"}, "host": {"h"},
		"origin": {"container"}, "source": {"falco"}, "container": {"web"}, "image": {"i"}, "namespace": {"ns"}, "pod": {"p"}, "process": {"sh"}, "executable": {"/bin/sh"},
		"user": {"root"}, "uid": {"0"}, "pid": {"7"}, "message": {"m"}, "fingerprint": {"x"}, "label.app": {"web"}, "data.path": {"/x"}, "arg.flags": {"O_RDONLY"},
	}
	if len(values) != len(Fields()) {
		t.Errorf("%d of %d fields", len(values), len(Fields()))
	}
	f, err := Sample(values, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range values {
		m, err := FromValues(map[string][]string{name: v})
		if err != nil || !m.Match(&f) {
			t.Errorf("%s=%s does not match its sample: %v", name, v, err)
		}
	}
	for name, v := range map[string]string{"severty": "x", "severity": ">=high", "technique": "T99999", "uid": "root", "tactic": "tea"} {
		if _, err := Sample(map[string][]string{name: {v}}, time.Now()); err == nil {
			t.Errorf("%s=%s: no error", name, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"any":[{"severity":">=high"},{"host":["!a","~b+"]}]}`)
	f.Add(`{"label.app":"*","x":{}}`)
	f.Fuzz(func(t *testing.T, doc string) {
		var v any
		if json.Unmarshal([]byte(doc), &v) != nil {
			return
		}
		m, err := Parse(v)
		if err != nil {
			return
		}
		again, err := Parse(m.Document())
		if err != nil || again.Match(sample()) != m.Match(sample()) {
			t.Errorf("%s: does not survive Document: %v", doc, err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add(`severity=>=high host="a b",c`)
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseQuery(s); err == nil {
			m.Match(sample())
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	m, _ := ParseQuery(`severity=>=high technique=T1611,T1055 host=node*`)
	f := sample()
	for b.Loop() {
		m.Match(f)
	}
}
