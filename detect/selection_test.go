package detect

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

// selected is what event.Selection means, written plainly.
func selected(s event.Selection, ev *event.Event) bool {
	if len(s.Clauses) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Clauses, func(c event.Clause) bool {
		if !c.Origins.Has(ev.Origin()) {
			return false
		}
		for _, cond := range c.Conds {
			if !holds(cond, ev) {
				return false
			}
		}
		return true
	})
}

func holds(c event.Cond, ev *event.Event) bool {
	var texts []string
	var num uint64
	signed, isNum, present := false, false, true
	task := map[string]uint64{"@uid": uint64(ev.UID), "@pid": uint64(ev.HostPID), "@tid": uint64(ev.HostTID), "@mntns": uint64(ev.MntNS), "@pidns": uint64(ev.PidNS), "@cgroup": ev.CgroupID}
	arg, part, _ := strings.Cut(c.Field, ".")
	if v, ok := task[c.Field]; ok {
		num, isNum = v, true
	} else if c.Field == "@comm" {
		texts = []string{ev.CommString()}
	} else if i := ev.Def.Arg(c.Field); i >= 0 {
		present = ev.Has(i)
		if k := ev.Def.Args[i].Kind; k.Scalar() {
			num, isNum, signed = ev.Uint(i), true, k.Signed()
		} else {
			texts = []string{ev.Str(i)}
		}
	} else if i := ev.Def.Arg(arg); i >= 0 && ev.Def.Args[i].Kind == event.KindSockaddr {
		present = false
		for _, f := range ev.Sockaddr(i).Fields() {
			if f.Name == part && ev.Has(i) {
				texts, present = []string{f.Value}, true
			}
		}
		if part == "sin_port" && present && len(c.Strs) == 0 {
			n, _ := strconv.Atoi(texts[0])
			num, isNum = uint64(n), true
		}
	} else {
		panic("unknown field " + c.Field)
	}
	if !present {
		return false
	}
	hit := false
	if isNum {
		for i, n := range c.Nums {
			switch c.Op {
			case event.OpEqual:
				hit = hit || num == n
			case event.OpBits:
				hit = hit || i%2 == 0 && num&n == c.Nums[i+1]
			case event.OpLess:
				hit = hit || (signed && int64(num) < int64(n)) || (!signed && num < n)
			case event.OpGreater:
				hit = hit || (signed && int64(num) > int64(n)) || (!signed && num > n)
			}
		}
	} else {
		for _, s := range c.Strs {
			switch c.Op {
			case event.OpEqual:
				hit = hit || texts[0] == s
			case event.OpPrefix:
				hit = hit || strings.HasPrefix(texts[0], s)
			case event.OpSuffix:
				hit = hit || strings.HasSuffix(texts[0], s)
			case event.OpContains:
				hit = hit || strings.Contains(texts[0], s)
			case event.OpCIDR:
				a, _ := netip.ParseAddr(texts[0])
				hit = hit || netip.MustParsePrefix(s).Contains(a)
			}
		}
	}
	return hit != c.Not
}

func TestSelectionConditions(t *testing.T) {
	for name, c := range map[string]struct {
		event, match, want string
	}{
		"paths and flags": {"security_file_open", `
	p := helpers.get_tracee_argument("pathname")
	some x in ["/etc/", "/root/"]
	startswith(p, x)
	not endswith(p, ".txt")
	helpers.is_file_write(helpers.get_tracee_argument("flags"))`, `[flags & [3 1 3 2]; pathname startswith ["/etc/" "/root/"]; pathname not endswith [".txt"]]`},
		"task":          {"security_file_open", `input.processName == "x"; input.userId != 0`, `[@comm == ["x"]; @uid not == [0]]`},
		"absent":        {"security_file_open", `not input.nothing == 1; not helpers.get_tracee_argument("pathname") == "/x"`, `[pathname not == ["/x"]]`},
		"address":       {"security_socket_connect", `a := helpers.get_tracee_argument("remote_addr"); a.sin_port in {"80", "443"}`, `[remote_addr.sin_port == ["443" "80"]]`},
		"address text":  {"security_socket_connect", `contains(helpers.get_tracee_argument("remote_addr"), "docker.sock")`, `[remote_addr.sun_path contains ["docker.sock"]]`},
		"any text":      {"security_socket_connect", `contains(helpers.get_tracee_argument("remote_addr"), "sin_addr")`, ``},
		"numbers":       {"kill", `helpers.get_tracee_argument("sig") >= 9; helpers.get_tracee_argument("pid") < 0`, `[pid < [0]; sig > [8]]`},
		"enumeration":   {"ptrace", `helpers.get_tracee_argument("request") in {"PTRACE_POKETEXT", "PTRACE_POKEDATA"}`, `[request == [5 4]]`},
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
				got = showClauses(s.Clauses)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
