package detect_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// tutorial is the rule of Tracee's tutorial on custom rules, character for character.
const tutorial = `package tracee.RMM_1

import data.tracee.helpers

__rego_metadoc__ := {
     "id": "RMM-1",
     "version": "0.0.1",
     "name": "Docker Socket Access Detected",
     "description": "A container accessed the Docker socket, allowing for control of the container daemon and possible privilege escalation",
     "tags": ["container"],
     "properties": {
          "Severity": 0,
          "MITRE ATT&CK": "Container Administration Command"
     }
}

eventSelectors := [
     {
          "source": "tracee",
          "name": "security_socket_connect",
          "origin": "container"
     }
]

tracee_selected_events[eventSelector] {
     eventSelector := eventSelectors[_]
}

tracee_match {
     input.eventName == "security_socket_connect"
     addr := helpers.get_tracee_argument("remote_addr")
     contains(addr,"docker.sock")
}
`

// sunPath reads the same address as an object, in Rego v1, and returns data.
const sunPath = `package tracee.SUN

import data.tracee.helpers

__rego_metadoc__ := {"id": "SUN", "version": "1", "name": "Docker socket", "properties": {"Severity": 3, "MITRE ATT&CK": "Privilege Escalation: Escape to Host"}}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match := {"path": addr.sun_path} if {
	addr := helpers.get_tracee_argument("remote_addr")
	endswith(addr.sun_path, "/docker.sock")
}
`

func source(files map[string]string) detect.Source {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return detect.Source{FS: m, Name: "rules"}
}

func load(t testing.TB, files map[string]string) []detect.Rule {
	t.Helper()
	rules, errs := detect.Load(source(files))
	for _, err := range errs {
		t.Fatal(err)
	}
	return rules
}

func engine(t testing.TB, opts detect.Options) (*detect.Engine, *[]*finding.Finding) {
	t.Helper()
	var got []*finding.Finding
	opts.Sink = func(h detect.Hit) { got = append(got, h.Finding()) }
	e, err := detect.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e, &got
}

type args map[string]any

func newEvent(t testing.TB, name string, container string, a args) *event.Event {
	t.Helper()
	b := event.New(event.ByName(name))
	h := b.Header()
	h.Timestamp, h.HostPID, h.PID, h.UID = 1700000000123456789, 4242, 7, 1000
	h.SetComm("curl")
	b.SetHost("web-0")
	for k, v := range a {
		if err := b.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	ev := b.Event()
	if container != "" {
		ev.Container = &event.Container{ID: container, Image: "busybox"}
		ev.Flags |= event.FlagContainer | event.FlagContainerStarted
	}
	return ev
}

var container = strings.Repeat("ab", 32)

func unix(path string) args {
	return args{"remote_addr": event.Sockaddr{Family: event.AFUnix, Path: path}}
}

func TestTutorial(t *testing.T) {
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"docker.rego": tutorial}), Host: "node-1", Cluster: "prod"})
	e.Handle(newEvent(t, "security_socket_connect", "", unix("/var/run/docker.sock")))
	e.Handle(newEvent(t, "security_socket_connect", container, unix("/run/other.sock")))
	if len(*got) != 0 {
		t.Fatalf("%d findings of events that do not match", len(*got))
	}
	ev := newEvent(t, "security_socket_connect", container, unix("/var/run/docker.sock"))
	parent := &event.Process{PID: 1, Comm: "sh", ExecID: "1:1:0"}
	ev.Process = &event.Process{PID: 4242, PPID: 1, Comm: "curl", Executable: "/usr/bin/curl", Args: []string{"curl"}, ExecID: "4242:9:1", Ancestors: []*event.Process{parent}}
	e.Handle(ev)
	if len(*got) != 1 {
		t.Fatalf("%d findings, want 1", len(*got))
	}
	f := (*got)[0]
	if f.Rule.ID != "RMM-1" || f.Severity != finding.Info || f.Host != "node-1" || f.Cluster != "prod" || f.Origin != "container" || f.Container.ID != container {
		t.Errorf("finding %+v", f)
	}
	if len(f.Attack) != 1 || f.Attack[0].Technique.ID != "T1609" || f.Attack[0].Tactic.ID != "TA0002" {
		t.Errorf("attack %+v", f.Attack)
	}
	if f.Data != nil {
		t.Errorf("data %s, want none", f.Data)
	}
	if f.Process.Executable != "/usr/bin/curl" || len(f.Process.Ancestors) != 1 || f.Process.Ancestors[0].Name != "sh" {
		t.Errorf("process %+v", f.Process)
	}
	if f.Rule.Properties["Severity"] != json.Number("0") {
		t.Errorf("properties %v", f.Rule.Properties)
	}
	if f.Message != "Docker Socket Access Detected: /usr/bin/curl (pid 4242) → /var/run/docker.sock in container abababababab" {
		t.Errorf("message %q", f.Message)
	}
	if f.ID == "" || f.Fingerprint == "" || !json.Valid(f.Event) {
		t.Errorf("id %q, fingerprint %q, event %s", f.ID, f.Fingerprint, f.Event)
	}

	// The same event from a recording is the same finding.
	back, err := event.ParseJSON(ev.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	e.Handle(back)
	if len(*got) != 2 || (*got)[1].ID != f.ID {
		t.Errorf("the replayed event's finding has another id")
	}
}

func TestBothFormsOfAddress(t *testing.T) {
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": tutorial, "b.rego": sunPath})})
	docs := map[string]string{
		"object": string(newEvent(t, "security_socket_connect", container, unix("/var/run/docker.sock")).AppendJSON(nil)),
		"text": `{"eventName":"security_socket_connect","containerId":"` + container + `","args":[{"name":"remote_addr","type":"struct sockaddr*",
			"value":"{'sa_family': 'AF_UNIX','sun_path': '/var/run/docker.sock'}"}]}`,
	}
	for name, doc := range docs {
		*got = nil
		ev, err := event.ParseJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		e.Handle(ev)
		if len(*got) != 2 {
			t.Errorf("address as %s: %d findings, want 2", name, len(*got))
			continue
		}
		if string((*got)[1].Data) != `{"path":"/var/run/docker.sock"}` {
			t.Errorf("address as %s: data %s", name, (*got)[1].Data)
		}
	}
	res := detect.Check(detect.CheckOptions{}, source(map[string]string{"a.rego": tutorial, "b.rego": sunPath}))
	if res.Errors != 0 || res.Rules[0].Address != "text" || res.Rules[1].Address != "object" || res.Rules[0].Rego != "v0" || res.Rules[1].Rego != "v1" {
		t.Errorf("check: %+v", res)
	}
}

// TestOnePerEvent: a rule that several selectors give an event to makes one finding of it.
func TestOnePerEvent(t *testing.T) {
	rule := rego("MANY", `tracee_selected_events contains {"source": "tracee", "name": "ptrace", "origin": o} if some o in ["host", "container", "*"]`, `tracee_match := true`)
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": rule})})
	e.Handle(newEvent(t, "ptrace", "", args{"request": "PTRACE_ATTACH"}))
	e.Handle(newEvent(t, "ptrace", container, args{"request": "PTRACE_ATTACH"}))
	if len(*got) != 2 {
		t.Errorf("%d findings, want 2", len(*got))
	}
}

func TestAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`tracee_match := true`:                                        "match",
		`tracee_match := false`:                                       "none",
		`tracee_match if input.eventName == "x"`:                      "none",
		`tracee_match := {}`:                                          "match {}",
		`tracee_match := {"a": [1, 2.50], "b": {3}}`:                  `match {"a":[1,2.50],"b":[3]}`,
		`tracee_match := "yes"`:                                       "none",
		`tracee_match := 1`:                                           "none",
		`tracee_match contains "x"`:                                   "none",
		"tracee_match := {\"a\": 1}\ntracee_match := {\"a\": 2}":      "match error",
		`tracee_match if to_number(input.eventName) == 1`:             "none",
		`default tracee_match := false` + "\ntracee_match if input.z": "none",
	} {
		rule := rego("A", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`, body)
		e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": rule})})
		e.Handle(newEvent(t, "ptrace", "", nil))
		s := "none"
		for _, f := range *got {
			if f.Rule.ID == detect.RuleErrorID {
				continue
			}
			s = strings.TrimSpace("match " + string(f.Data))
		}
		if e.Stats()[0].Errors > 0 {
			s += " error"
		}
		if s != want {
			t.Errorf("%s: got %s, want %s", body, s, want)
		}
	}
}

// rego writes a rule in Rego v1.
func rego(id, selected, body string) string {
	return fmt.Sprintf("package tracee.%s\n\nimport data.tracee.helpers\n\n__rego_metadoc__ := {\"id\": %q, \"version\": \"1\", \"name\": %q, \"properties\": {\"Severity\": 2}}\n\n%s\n\n%s\n", id, id, "rule "+id, selected, body)
}

func TestLoadErrors(t *testing.T) {
	files := map[string]string{
		"good.rego":      sunPath,
		"good_test.rego": "package x\n\nthis is not read",
		"syntax.rego":    "package a\n\ntracee_match {\n  input.x ==\n}\n",
		"type.rego":      rego("T", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`, `tracee_match if nosuch(1)`),
		"send.rego":      rego("S", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`, `tracee_match if http.send({"url": "http://x", "method": "get"})`),
		"nometa.rego":    "package b\n\ntracee_selected_events contains {\"source\": \"tracee\"}\n\ntracee_match := true\n",
		"nosel.rego":     rego("N", "", `tracee_match := true`),
		"severity.rego":  strings.Replace(sunPath, `"Severity": 3`, `"Severity": 9`, 1),
		"empty.rego":     "",
		"zz_same.rego":   strings.Replace(sunPath, "tracee.SUN", "tracee.SUN2", 1),
		"bad.data.json":  "{\n\"a\": \n",
	}
	rules, errs := detect.Load(source(files))
	if len(rules) != 1 || rules[0].Metadata().File != "rules/good.rego" {
		t.Errorf("loaded %d rules", len(rules))
	}
	want := []string{
		"rules/bad.data.json", "rules/empty.rego: the file is empty", "rules/nometa.rego: the rule has no __rego_metadoc__", "rules/nosel.rego: the rule has no tracee_selected_events",
		"rules/send.rego:9", "rules/severity.rego:5: metadata: severity 9", "rules/syntax.rego:5", "rules/type.rego:9", `rules/zz_same.rego:1: the id "SUN" is taken by rules/good.rego`,
	}
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	text := strings.Join(all, "\n")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no error %q in:\n%s", w, text)
		}
	}
	if len(errs) != len(want) {
		t.Errorf("%d errors:\n%s", len(errs), text)
	}
}

func TestLaterSourceReplaces(t *testing.T) {
	own := strings.Replace(sunPath, `"name": "Docker socket"`, `"name": "mine"`, 1)
	rules, errs := detect.Load(source(map[string]string{"a.rego": sunPath}), source(map[string]string{"b.rego": own}))
	if len(errs) != 0 || len(rules) != 1 || rules[0].Metadata().Name != "mine" {
		t.Errorf("%v %v", rules, errs)
	}
}

func TestHelpersAndData(t *testing.T) {
	files := map[string]string{
		"net_helpers.rego":       "package my.lib\n\nis_bad(x) { data.miners[_] == x }\n",
		"lists/miners.data.yaml": "- xmrig\n- minerd\n",
		"helpers.rego":           "package tracee.helpers\n\nget_tracee_argument(n) = v { a := input.args[_]; a.name == n; v := a.value }\n\nis_elf_file(x) { true }\n",
		"r/rule.rego":            rego("H", `tracee_selected_events contains {"source": "tracee", "name": "execve"}`, "tracee_match if data.my.lib.is_bad(helpers.get_tracee_argument(\"pathname\"))"),
	}
	e, got := engine(t, detect.Options{Rules: load(t, files)})
	e.Handle(newEvent(t, "execve", "", args{"pathname": "bash"}))
	e.Handle(newEvent(t, "execve", "", args{"pathname": "minerd"}))
	if len(*got) != 1 {
		t.Errorf("%d findings, want 1", len(*got))
	}
}

func TestTimeout(t *testing.T) {
	slow := rego("SLOW", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`,
		"tracee_match if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b == input.processId - 100000\n}")
	other := rego("OTHER", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`, "tracee_match := true")
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": slow, "b.rego": other}), Timeout: 20e6})
	for range 3 {
		e.Handle(newEvent(t, "ptrace", "", nil))
	}
	if s := e.Stats()[0]; s.Timeouts != 3 || s.Errors != 3 {
		t.Errorf("stats %+v", s)
	}
	reports, matches := 0, 0
	for _, f := range *got {
		if f.Rule.ID == detect.RuleErrorID {
			reports++
			if !strings.Contains(f.Message, "SLOW") {
				t.Error(f.Message)
			}
		} else {
			matches++
		}
	}
	if reports != 1 || matches != 3 {
		t.Errorf("%d reports, %d findings", reports, matches)
	}
}

func TestCheck(t *testing.T) {
	files := map[string]string{
		"event.rego":  rego("E", `tracee_selected_events contains {"source": "tracee", "name": "security_file_opem"}`, "tracee_match := true"),
		"arg.rego":    rego("A", `tracee_selected_events contains {"name": "security_file_open"}`, "tracee_match if helpers.get_tracee_argument(\"pathnam\") == \"x\""),
		"list.rego":   rego("L", `tracee_selected_events contains {"source": "tracee", "name": "execve"}`, "tracee_match if {\n\targv := helpers.get_tracee_argument(\"argv\")\n\tcontains(argv, \"x\")\n}"),
		"attack.rego": strings.Replace(sunPath, "Escape to Host", "Make Tea", 1),
		"set.rego":    rego("SET", `tracee_selected_events contains {"source": "tracee", "name": "execve"}`, "tracee_match contains 1"),
		"never.rego":  rego("N", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if input.eventName == \"openat\""),
		"byhand.rego": rego("B", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if {\n\ta := input.args[_]\n\ta.name == \"pathnam\"\n}"),
		"member.rego": rego("M", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if input.processNam == \"x\"\ntracee_match if startswith(input.args, \"x\")"),
		"nested.rego": rego("NE", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if input.container.img == \"x\""),
		"labels.rego": rego("LA", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`,
			"tracee_match if {\n\tnot input.metadata\n\tinput.kubernetes.labels.app == \"x\"\n\tinput.process.ancestors[0].comm == \"x\"\n}"),
		"element.rego": rego("EL", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if {\n\tinput.args[_].name == \"pathname\"\n\tinput.args[_].vaule == \"x\"\n}"),
		"number.rego":  rego("NU", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "tracee_match if startswith(input.processId, \"1\")"),
		"address.rego": rego("AD", `tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect"}`,
			"tracee_match if {\n\taddr := helpers.get_tracee_argument(\"remote_addr\")\n\taddr.sun_pth == \"x\"\n}\n\ntracee_match if helpers.get_tracee_argument(\"remote_addr\").sin_port == 22"),
		"lists.rego": rego("LI", `tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect"}`,
			"tracee_match if {\n\tstrings.any_prefix_match(input.process.args, [\"-x\"])\n\taddr := helpers.get_tracee_argument(\"remote_addr\")\n\tto_number(addr.sin6_port) > 22\n\tnot addr.own\n\tinput.args[i].value.sin_addr == \"x\"\n\tinput[k] == i\n}"),
		"kinds.rego": rego("KI", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origins": "host"}`,
			"tracee_match if input.args.pathname == \"x\"\n\ntracee_match if input.userId == \"0\"\n\ntracee_match if input.eventName == \"ptrace\""),
		"equal.rego": rego("EQ", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`,
			"tracee_match if {\n\tinput.userId == 0\n\tinput.containerId == \"\"\n\tinput.process.ancestors[0].comm == \"x\"\n\tinput.contextFlags.containerStarted == false\n\tinput.eventName == \"security_file_open\"\n\tnot input.eventName == \"ptrace\"\n}"),
		"fields.rego": strings.NewReplacer(`"RMM-1",`, `"FIELDS", "rate": {"limit": 1, "per": "1m", "key": ["containerID"]}, "threshold": {"count": 2, "within": "1m", "by": "no.field", "distinct": "args.nothing"},
	"exceptions": [{"match": {"no.name": "x"}, "reason": "r"}],`).Replace(tutorial),
		"meta.rego":   strings.NewReplacer(`"Severity"`, `"severity"`, `MITRE ATT&CK`, `MITRE ATTACK`, "RMM-1", "META").Replace(tutorial),
		"with.rego":   rego("W", `tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}`, "own if input.own == 1\n\ntracee_match if own with input.own as 1"),
		"broken.rego": "package x\n\ny :=",
	}
	res := detect.Check(detect.CheckOptions{Unavailable: map[string]string{"security_socket_connect": "no kprobes"}}, source(files))
	codes := map[string]string{}
	for _, d := range res.Diagnostics {
		codes[d.File+" "+d.Code] = d.String()
	}
	for _, w := range []string{
		"rules/event.rego unknown-event", "rules/arg.rego unknown-argument", "rules/arg.rego no-source", "rules/list.rego not-text",
		"rules/attack.rego unknown-attack", "rules/attack.rego unavailable-event", "rules/set.rego match-is-set", "rules/broken.rego load",
		"rules/never.rego never-matches", "rules/byhand.rego unknown-argument",
		"rules/member.rego unknown-member", "rules/member.rego not-text", "rules/nested.rego unknown-member",
		"rules/element.rego unknown-member", "rules/number.rego not-text", "rules/address.rego unknown-member", "rules/address.rego not-number",
		"rules/meta.rego unknown-metadata", "rules/meta.rego no-severity", "rules/fields.rego unknown-field",
		"rules/kinds.rego unknown-member", "rules/kinds.rego never-equal", "rules/kinds.rego not-selected", "rules/kinds.rego unknown-selector-key",
	} {
		if codes[w] == "" {
			t.Errorf("no diagnostic %s in %v", w, codes)
		}
	}
	for _, file := range []string{"rules/labels.rego", "rules/with.rego", "rules/lists.rego", "rules/equal.rego"} {
		for _, code := range []string{"unknown-member", "not-text", "not-number", "never-equal", "not-selected"} {
			if d := codes[file+" "+code]; d != "" {
				t.Error(d)
			}
		}
	}
	if !strings.Contains(codes["rules/event.rego unknown-event"], `did you mean "security_file_open"?`) {
		t.Error(codes["rules/event.rego unknown-event"])
	}
}

// A file of lists and exceptions is checked beside the rules that it extends, which are not checked themselves.
func TestCheckBeside(t *testing.T) {
	beside := detect.Source{Name: "builtin", FS: fstest.MapFS{
		"data/lists.yaml": {Data: []byte("lists:\n  shells: [/bin/sh]\n")},
		"tutorial.rego":   {Data: []byte(tutorial)},
	}}
	res := detect.Check(detect.CheckOptions{Beside: []detect.Source{beside}}, source(map[string]string{
		"mine.yaml": "lists:\n  shells: [/x]\n  own: [/x]\n  shels: [/x]\nexceptions:\n- {rule: no_such_rule, match: {origin: host}, reason: r}\n" +
			"- {rule: OWN, match: {executable.pth: /x, process.ancestors.2.executable: /y, args.pathname: /z, args.remote_addr.sun_path: /s}, reason: r}\n" +
			"- {rule: OWN, match: {origin: host}, reason: r, expires: 2020-01-31}\n",
		"own.rego": rego("OWN", `tracee_selected_events contains {"source": "tracee", "name": "execve"}`, `tracee_match if helpers.get_tracee_argument("pathname") in data.tocsin.lists.own`),
	}))
	var said []string
	for _, d := range res.Diagnostics {
		if strings.HasPrefix(d.File, "rules/mine") || strings.HasPrefix(d.File, "builtin") {
			said = append(said, d.String())
		}
	}
	want := []string{
		`rules/mine.yaml:4: warning: no rule reads the list shels; did you mean "shells"?`,
		`rules/mine.yaml:6: error: exception 1: no rule has the id "no_such_rule"; tocsin rules list shows the ids`,
		`rules/mine.yaml:7: warning: exception 2: no event has the field executable.pth, so that it excepts nothing; did you mean "executable.path"?`,
		`rules/mine.yaml:8: warning: exception 3 expired on 2020-01-31: it excepts nothing`,
	}
	if !slices.Equal(said, want) {
		t.Errorf("got %q", said)
	}
	if len(res.Rules) != 1 || res.Rules[0].ID != "OWN" {
		t.Errorf("checked %v", res.Rules)
	}
}

func TestSelections(t *testing.T) {
	e, _ := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": tutorial, "b.rego": rego("P", `tracee_selected_events contains {"source": "tracee", "name": "ptrace"}`, "tracee_match := true")})})
	for _, s := range e.Selections() {
		switch s.Event {
		case "security_socket_connect":
			if len(s.Clauses) != 1 || s.Clauses[0].Origins != event.InContainer {
				t.Errorf("%+v", s)
			}
		case "ptrace":
			if len(s.Clauses) != 0 {
				t.Errorf("%+v", s)
			}
		default:
			t.Errorf("%+v", s)
		}
	}
}

func TestReplaceKeepsCounters(t *testing.T) {
	rules := load(t, map[string]string{"a.rego": tutorial})
	e, got := engine(t, detect.Options{Rules: rules})
	ev := newEvent(t, "security_socket_connect", container, unix("/var/run/docker.sock"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			if err := e.Replace(load(t, map[string]string{"a.rego": tutorial})); err != nil {
				t.Error(err)
			}
		}
	}()
	n := 0
	for running := true; running; n++ {
		select {
		case <-done:
			running = false
		default:
		}
		e.Handle(ev)
	}
	if len(*got) != n || e.Stats()[0].Findings != uint64(n) {
		t.Errorf("%d findings of %d events, counted %d", len(*got), n, e.Stats()[0].Findings)
	}
	if err := e.Replace(append(rules, rules[0])); err == nil {
		t.Error("no error for two rules with one id")
	}
	e.Handle(ev)
	if len(*got) != n+1 {
		t.Error("the old set is gone after a failed Replace")
	}
}
