package detect

import (
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

func TestSelectionConditions(t *testing.T) {
	for name, c := range map[string]struct {
		event, match, want string
	}{
		"paths and flags": {"security_file_open", `
	p := helpers.get_tracee_argument("pathname")
	some x in ["/etc/", "/root/"]
	startswith(p, x)
	not endswith(p, ".txt")
	helpers.is_file_write(helpers.get_tracee_argument("flags"))`, `flags & 0x3 == [O_WRONLY O_RDWR] and pathname startswith ["/etc/" "/root/"] and not pathname endswith ".txt"`},
		"task":          {"security_file_open", `input.processName == "x"; input.userId != 0`, `@comm == "x" and not @uid == 0`},
		"absent":        {"security_file_open", `not input.nothing == 1; not helpers.get_tracee_argument("pathname") == "/x"`, `not pathname == "/x"`},
		"address":       {"security_socket_connect", `a := helpers.get_tracee_argument("remote_addr"); a.sin_port in {"80", "443"}`, `remote_addr.sin_port == ["443" "80"]`},
		"address text":  {"security_socket_connect", `contains(helpers.get_tracee_argument("remote_addr"), "docker.sock")`, `remote_addr.sun_path contains "docker.sock"`},
		"any text":      {"security_socket_connect", `contains(helpers.get_tracee_argument("remote_addr"), "sin_addr")`, ``},
		"numbers":       {"kill", `helpers.get_tracee_argument("sig") >= 9; helpers.get_tracee_argument("pid") < 0`, `pid < 0 and sig > 8`},
		"enumeration":   {"ptrace", `helpers.get_tracee_argument("request") in {"PTRACE_POKETEXT", "PTRACE_POKEDATA"}`, `request == [PTRACE_POKEDATA PTRACE_POKETEXT]`},
		"inexpressible": {"security_file_open", `count(helpers.get_tracee_argument("pathname")) > 3`, ``},
		"another event": {"security_file_open", `input.eventName == "ptrace"`, `none`},
	} {
		t.Run(name, func(t *testing.T) {
			text := "package x\n\nimport rego.v1\n\nimport data.tracee.helpers\n\n__rego_metadoc__ := {\"id\": \"X\"}\n\ntracee_selected_events contains {\"source\": \"tracee\", \"name\": \"" + c.event + "\"}\n\ntracee_match if {" + c.match + "\n}\n"
			rules, errs := Load(memory(map[string]string{"a.rego": text}))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			e, err := New(Options{Rules: rules})
			if err != nil {
				t.Fatal(err)
			}
			got := "none"
			for _, s := range e.Selections() {
				got = showClauses(event.ByName(s.Event), s.Clauses)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
