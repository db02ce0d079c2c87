package filter

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/event"
)

func build(t testing.TB, name string, args map[string]any) *event.Event {
	b := event.New(event.ByName(name))
	b.Header().SetComm("nginx")
	b.Header().HostPID, b.Header().PID, b.Header().UID, b.Header().Return = 4000, 7, 33, -13
	for k, v := range args {
		if err := b.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Event()
}

func TestConditions(t *testing.T) {
	open := build(t, "openat", map[string]any{"pathname": "/etc/shadow", "flags": "O_WRONLY|O_CREAT", "dirfd": -100, "mode": uint32(0o644)})
	unix := build(t, "security_socket_connect", map[string]any{"sockfd": 3, "remote_addr": event.Sockaddr{Family: event.AFUnix, Path: "/var/run/docker.sock"}})
	inet := build(t, "security_socket_connect", map[string]any{"remote_addr": event.Sockaddr{Family: event.AFInet, Addr: netip.MustParseAddr("10.1.2.3"), Port: 443}})
	exec := build(t, "sched_process_exec", map[string]any{"pathname": "/bin/sh", "argv": []string{"sh", "-c", "curl x"}})
	for _, c := range []struct {
		expr string
		ev   *event.Event
		want bool
	}{
		{"openat", open, true},
		{"open*", open, true},
		{"fs", open, true},
		{"net", open, false},
		{"security_socket_connect,openat", open, true},
		{"openat.pathname=/etc/shadow", open, true},
		{"openat.pathname=/etc/*", open, true},
		{"openat.pathname=/tmp/*,*/shadow", open, true},
		{"openat.pathname!=/etc/*", open, false},
		{"openat.pathname!=/tmp/*", open, true},
		{"openat.flags=O_CREAT", open, true},
		{"openat.flags=O_RDONLY", open, false},
		{"openat.flags=O_WRONLY|O_CREAT", open, true},
		{"openat.flags=O_WRONLY|O_TRUNC", open, false},
		{"openat.flags=*CREAT*", open, true},
		{"openat.flags!=O_TRUNC", open, true},
		{"openat.dirfd<0", open, true},
		{"openat.dirfd=-100", open, true},
		{"openat.dirfd>0", open, false},
		{"openat.mode>=0644", open, true},
		{"openat.retval<0", open, true},
		{"openat.retval=-13", open, true},
		{"openat.retval>=0", open, false},
		{"security_socket_connect.remote_addr=*docker.sock*", unix, true},
		{"security_socket_connect.remote_addr.sun_path=/var/run/docker.sock", unix, true},
		{"security_socket_connect.remote_addr.sa_family=AF_UNIX", unix, true},
		{"security_socket_connect.remote_addr.sin_port=443", inet, true},
		{"security_socket_connect.remote_addr.sin_port>1023", inet, false},
		{"security_socket_connect.remote_addr=10.*:443", inet, true},
		{"security_socket_connect.remote_addr.sun_path=*", inet, false},
		{"sched_process_exec.argv=curl*", exec, true},
		{"sched_process_exec.argv=wget*", exec, false},
		{"sched_process_exec.pwd=/x", exec, false},
		{"sched_process_exec.pwd!=/x", exec, false},
		{"security_socket_connect.remote_addr.sun_path!=/x", inet, false},
		{"security_socket_connect.remote_addr.sun_path!=/x", unix, true},
	} {
		f, err := Parse([]string{c.expr}, Scope{})
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := f.Match(c.ev); got != c.want {
			t.Errorf("%s: %v", c.expr, got)
		}
	}
}

func TestConditionsOfOneFieldAreAlternatives(t *testing.T) {
	f, err := Parse([]string{"openat.pathname=/a*", "openat.pathname=/b*", "openat.pathname!=*.so", "openat.flags=O_CREAT"}, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/a/x": true, "/b/x": true, "/c": false, "/a/x.so": false} {
		if got := f.Match(build(t, "openat", map[string]any{"pathname": path, "flags": "O_WRONLY|O_CREAT"})); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if f.Match(build(t, "openat", map[string]any{"pathname": "/a", "flags": "O_RDONLY"})) {
		t.Error("fields are not alternatives")
	}
}

func TestScope(t *testing.T) {
	ev := build(t, "openat", nil)
	in := build(t, "openat", nil)
	in.Flags |= event.FlagContainer | event.FlagContainerStarted
	in.Container = &event.Container{ID: "abcdef0123", Name: "web-1"}
	for _, c := range []struct {
		scope         Scope
		host, contain bool
	}{
		{Scope{Origins: []string{"host"}}, true, false},
		{Scope{Origins: []string{"container"}}, false, true},
		{Scope{PIDs: []uint32{4000}}, true, true},
		{Scope{PIDs: []uint32{7}}, true, true},
		{Scope{PIDs: []uint32{8}}, false, false},
		{Scope{UIDs: []uint32{33}}, true, true},
		{Scope{Comms: []string{"ng*"}}, true, true},
		{Scope{Comms: []string{"apache"}}, false, false},
		{Scope{Containers: []string{"abcdef"}}, false, true},
		{Scope{Containers: []string{"web-*"}}, false, true},
		{Scope{Containers: []string{"db-*"}}, false, false},
	} {
		f, err := Parse([]string{"openat"}, c.scope)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(ev) != c.host || f.Match(in) != c.contain {
			t.Errorf("%+v: host %v, container %v", c.scope, f.Match(ev), f.Match(in))
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for expr, want := range map[string]string{
		"opnat":                  `did you mean "openat"`,
		"nothing_like_it_at_all": "tocsin events",
		"openat.path=/x":         "it has dirfd, pathname, flags, mode, retval",
		"openat=3":               "EVENT.ARGUMENT",
		"openat.dirfd=abc":       "is no number",
		"openat.pathname<3":      "use = or !=",
		"openat.pathname=":       "no value",
		"openat.pathname=[":      "pattern",
		"security_socket_connect.remote_addr.port=3": "an address has sa_family",
	} {
		_, err := Parse([]string{expr}, Scope{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if _, err := Parse(nil, Scope{Origins: []string{"pod"}}); err == nil {
		t.Error("unknown origin accepted")
	}
}

func TestSelections(t *testing.T) {
	f, err := Parse([]string{"openat.pathname=/etc/*", "openat.flags=O_CREAT", "openat.retval>=0", "kill"},
		Scope{Origins: []string{"container"}, Comms: []string{"sh", "bash"}})
	if err != nil {
		t.Fatal(err)
	}
	s := f.Selections()
	if len(s) != 2 || s[0].Event != "openat" || len(s[0].Clauses) != 1 || s[0].Clauses[0].Origins != event.InContainer {
		t.Fatalf("%+v", s)
	}
	c := s[0].Clauses[0].Conds
	if len(c) != 3 || c[0].Op != event.OpPrefix || !slices.Equal(c[0].Strs, []string{"/etc/"}) || c[1].Op != event.OpBits || c[2].Field != "@comm" {
		t.Errorf("%+v", c)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"openat", "open*", "openat.flags=O_CREAT|O_EXCL", "a.b!=c", "openat.mode>=0x10", "kill.sig<9"} {
		f.Add(s)
	}
	ev := build(f, "openat", map[string]any{"pathname": "/x", "flags": "O_RDONLY"})
	f.Fuzz(func(t *testing.T, expr string) {
		if flt, err := Parse([]string{expr}, Scope{}); err == nil {
			flt.Match(ev)
			flt.Selections()
		}
	})
}
