package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/finding"
)

// What other programs found has other fields; nothing of it is shown as an empty cell or line.
func TestFindingsFromElsewhere(t *testing.T) {
	for doc, want := range map[string]string{
		`{"rule":"x"}`: "",
		`{"output_fields":{"evt.type":"openat","fd.name":"/etc/shadow","proc.pid":7,"k8s.ns.name":null}}`:      "Event       openat\n              fd.name = /etc/shadow\n              proc.pid = 7\n",
		`{"eventName":"ptrace","args":[{"name":"pid","value":7},{"name":"request","value":"PTRACE_TRACEME"}]}`: "Event       ptrace\n              pid = 7\n              request = PTRACE_TRACEME\n",
	} {
		var b bytes.Buffer
		if eventText(&b, []byte(doc)); b.String() != want {
			t.Errorf("%s: %q", doc, b.String())
		}
	}
	for want, a := range map[string]finding.Alert{
		"Anti-Debugging detected: strace (pid 7, uid 1000)": {Rule: finding.Rule{ID: "TRC-102", Name: "Anti-Debugging detected"}, Process: &finding.Process{Name: "strace", PID: 7, UID: 1000}},
		"Terminal shell": {Rule: finding.Rule{ID: "terminal_shell", Name: "Terminal shell"}},
		"seen":           {Rule: finding.Rule{ID: "r", Name: "R"}, Message: "R: seen", Process: &finding.Process{Name: "strace"}},
	} {
		if got := what(&a); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A container whose names the runtime did not tell is still shown as one.
func TestContainerWithoutNames(t *testing.T) {
	for want, c := range map[string]finding.Container{
		"Container   docker  abc\n":                          {ID: "abc", Runtime: "docker"},
		"Container   web  shop:3\n            docker  abc\n": {ID: "abc", Runtime: "docker", Name: "web", Image: "shop:3"},
	} {
		var b bytes.Buffer
		if err := showAlert(&b, &finding.Alert{Container: &c}, nil, nil); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v: %q is not in\n%s", err, want, b.String())
		}
	}
}
