package ingest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/finding"
)

const falcoEvent = `{"uuid":"c1","output":"12:00:00.1: Notice A shell was spawned","priority":"Notice","rule":"Terminal shell in container",
"source":"syscall","hostname":"node-1","time":"2026-03-01T12:00:00.123456789Z",
"tags":["T1059","container","maturity_stable","mitre_execution","shell"],
"output_fields":{"container.id":"0123456789ab","container.image.repository":"docker.io/library/nginx","container.image.tag":"1.27","container.name":"web",
"evt.time":1772366400123456789,"k8s.ns.name":"shop","k8s.pod.name":"web-0","proc.name":"bash","proc.exepath":"/usr/bin/bash","proc.cmdline":"bash -i",
"proc.pid":4711,"proc.ppid":1,"proc.pname":"runc","user.name":"root","user.uid":0,"proc.tty":34816,"proc.is_exe_upper_layer":false,"fd.name":null}}`

func TestFalco(t *testing.T) {
	list, err := Falco([]byte(falcoEvent))
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	f := list[0]
	if f.Severity != finding.Low || f.Rule.ID != "terminal_shell_in_container" || f.Host != "node-1" || f.Origin != "container" ||
		f.Container.Image != "docker.io/library/nginx:1.27" || f.Kubernetes.Namespace != "shop" || f.Process.PID != 4711 ||
		f.Attack[0].Technique.ID != "T1059" || f.Attack[0].Tactic.ID != "TA0002" || f.Time.Nanosecond() != 123456789 ||
		!strings.Contains(string(f.Data), "1772366400123456789") {
		t.Errorf("%+v", f)
	}
	for _, body := range []string{
		falcoEvent + "\n" + falcoEvent, "[" + falcoEvent + "," + falcoEvent + "]",
	} {
		list, err := Falco([]byte(body))
		if err != nil || len(list) != 2 || list[0].ID != f.ID || list[1].ID != f.ID {
			t.Errorf("%v %d", err, len(list))
		}
	}
	if list, err := Falco([]byte(falcoEvent + `{"rule":"x"}` + falcoEvent)); err == nil || len(list) != 2 {
		t.Errorf("a bad one among good ones: %v %d", err, len(list))
	}
	for body, want := range map[string]string{
		``:                       "no JSON object",
		`[]`:                     "no JSON object",
		`{}`:                     "object 1: not an event of Falco: it has no rule",
		`{"rule":"x"}`:           `"" is not a priority`,
		`"x"`:                    "want a JSON object",
		falcoEvent + `{"rule":1`: "object 2",
		`{"rule":"x","priority":"EMERGENCY","time":"now"}`: "time:",
	} {
		if _, err := Falco([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestFalcoTags(t *testing.T) {
	for tags, want := range map[string]string{
		"mitre_credential_access T1555":        "TA0006/T1555",
		"mitre_persistence T1055.008":          "TA0005/T1055", // not one of its tactics
		"mitre_privilege_escalation t1055.008": "TA0004/T1055",
		"mitre_exfiltration":                   "TA0010/",
		"T9999":                                "/T9999",
		"container":                            "",
	} {
		got := ""
		if a := falcoAttack(strings.Fields(tags)); len(a) > 0 {
			got = a[0].Tactic.ID + "/" + a[0].Technique.ID
		}
		if got != want {
			t.Errorf("%s: %s, want %s", tags, got, want)
		}
	}
}

func TestTracee(t *testing.T) {
	const old = `{"Data":{"x":1},"Context":{"timestamp":1772366400123456789,"hostName":"node-1","containerId":"abc","processName":"strace","hostProcessId":12,"userId":0,"eventName":"ptrace","args":[]},
"SigMetadata":{"ID":"TRC-2","Version":"0.1.0","Name":"Anti-Debugging","Description":"d","Tags":["linux","container"],"Properties":{"MITRE ATT&CK":"Defense Evasion: Debugger Evasion","Severity":3}}}`
	const later = `{"timestamp":1772366400123456789,"hostName":"node-1","container":{"id":"abc","name":"web","image":"nginx"},"kubernetes":{"podName":"p","podNamespace":"n"},
"processName":"strace","executable":{"path":"/usr/bin/strace"},"hostProcessId":12,"eventName":"anti_debugging","args":[{"name":"x","value":1}],
"metadata":{"Version":"1","Description":"d","Tags":null,"Properties":{"Category":"defense-evasion","Severity":1,"Technique":"Debugger Evasion","external_id":"T1622","id":"attack-pattern--x","signatureID":"TRC-102","signatureName":"Anti-Debugging detected"}}}`
	for body, rule := range map[string]string{old: "TRC-2", later: "TRC-102"} {
		list, err := Tracee([]byte(body))
		if err != nil || len(list) != 1 {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		f := list[0]
		if f.Rule.ID != rule || f.Host != "node-1" || f.Origin != "container" || f.Process.PID != 12 || len(f.Attack) != 1 || f.Attack[0].Technique.ID != "T1622" || f.Time.Nanosecond() != 123456789 {
			t.Errorf("%+v", f)
		}
		if _, err := json.Marshal(&f); err != nil {
			t.Error(err)
		}
	}
	if _, err := Tracee([]byte(`{"eventName":"openat","timestamp":1}`)); err == nil || !strings.Contains(err.Error(), "not a finding of Tracee") {
		t.Error(err)
	}
}

func fuzz(f *testing.F, parse func([]byte) ([]finding.Finding, error)) {
	f.Fuzz(func(t *testing.T, body []byte) {
		list, _ := parse(body)
		for i := range list {
			if list[i].ID == "" || list[i].Rule.ID == "" || list[i].Time.IsZero() {
				t.Errorf("incomplete: %+v", list[i])
			}
			if _, err := json.Marshal(&list[i]); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzFalco(f *testing.F) {
	f.Add([]byte(falcoEvent))
	f.Add([]byte(`[{"rule":"-","priority":"debug","time":"0001-01-01T00:00:00Z"}]`))
	fuzz(f, Falco)
}

func FuzzTracee(f *testing.F) {
	f.Add([]byte(`{"SigMetadata":{"ID":"x","Properties":{"Severity":3}}}`))
	f.Add([]byte(`{"metadata":{"Properties":{"Severity":"3","signatureID":"x"}},"timestamp":9}`))
	fuzz(f, Tracee)
}
