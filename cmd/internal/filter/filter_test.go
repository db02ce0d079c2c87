package filter

import (
	"fmt"
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
	b.Header().CgroupID, b.Header().MntNS, b.Header().PidNS = 99, 5, 6
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
	tcp := build(t, "net_tcp_connect", map[string]any{"dst": "10.1.2.3", "dst_port": 443})
	large := build(t, "security_file_open", map[string]any{"pathname": "/etc/shadow", "flags": "O_WRONLY|O_CREAT|O_LARGEFILE"})
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
		{"openat.flags=O_CREAT|O_WRONLY", open, true},
		{"openat.flags=O_CREAT|O_RDWR", open, false},
		{"openat.flags!=O_CREAT|O_TRUNC", open, true},
		{"security_file_open.flags=O_WRONLY|O_CREAT", large, true}, // the kernel adds O_LARGEFILE
		{"openat.flags=0101", open, true},
		{"openat.flags=0101", large, false},
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
		{"security_socket_connect.remote_addr.sin_addr=10.0.0.0/8", inet, true},
		{"security_socket_connect.remote_addr.sin_addr!=10.0.0.0/8", inet, false},
		{"security_socket_connect.remote_addr.sin_addr=192.168.0.0/16", inet, false},
		{"security_socket_connect.remote_addr=10.1.2.3", inet, true},
		{"security_socket_connect.remote_addr=10.0.0.0/8,/run/*", inet, true},
		{"security_socket_connect.remote_addr=10.0.0.0/8,/var/*", unix, true},
		{"security_socket_connect.remote_addr!=10.0.0.0/8", inet, false},
		{"security_socket_connect.remote_addr=10.1.2.4", inet, false},
		{"net_tcp_connect.dst=10.0.0.0/8", tcp, true},
		{"net_tcp_connect.dst=10.1.2.3", tcp, true},
		{"net_tcp_connect.dst!=10.0.0.0/8", tcp, false},
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

func TestExclusions(t *testing.T) {
	for _, c := range []struct {
		exprs []string
		want  []string
	}{
		{[]string{"openat*,-openat2"}, []string{"openat"}},
		{[]string{"-openat2", "openat*"}, []string{"openat"}},
		{[]string{"containers,-container_*,-cgroup_*"}, []string{"existing_container"}},
		{[]string{"openat.flags=O_CREAT", "kill", "-fs"}, []string{"kill"}},
	} {
		f, err := Parse(c.exprs, Scope{})
		if err != nil {
			t.Errorf("%q: %v", c.exprs, err)
		} else if !slices.Equal(f.Names(), c.want) {
			t.Errorf("%q: %q", c.exprs, f.Names())
		}
	}
	f, err := Parse([]string{"open*,kill", "setuid.uid=0"}, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"openat": false, "kill": true, "setuid": true} {
		if f.Named(name) != want {
			t.Errorf("%s: named %v", name, !want)
		}
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
		{Scope{PIDs: []uint32{7}}, false, false}, // its id in a namespace of its own
		{Scope{Cgroups: []uint64{99}}, true, true},
		{Scope{Cgroups: []uint64{98}}, false, false},
		{Scope{MntNS: []uint32{98, 5}, PidNS: []uint32{6}}, true, true},
		{Scope{MntNS: []uint32{98}}, false, false},
		{Scope{PidNS: []uint32{98}}, false, false},
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
		"-openat":                "leaves no event",
		"openat,-opnat":          `did you mean "openat"`,
		"security_socket_connect.remote_addr=10.0.0.0/99": "is no network",
		"security_socket_connect.remote_addr.port=3":      "an address has sa_family",
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
	if len(c) != 3 || c[0].Field != "@comm" || c[1].Op != event.OpPrefix || !slices.Equal(c[1].Strs, []string{"/etc/"}) || c[2].Op != event.OpBits {
		t.Errorf("%+v", c)
	}
}

// What the kernel is asked of one condition. It may let more through than the condition, never less.
func TestKernelConditions(t *testing.T) {
	cond := func(field string, op event.Op, strs ...string) event.Cond {
		return event.Cond{Field: field, Op: op, Strs: strs}
	}
	num := func(field string, op event.Op, nums ...uint64) event.Cond {
		return event.Cond{Field: field, Op: op, Nums: nums}
	}
	const addr = "remote_addr"
	for expr, want := range map[string][]event.Cond{ // one clause each
		"openat.pathname=/etc/shadow":                                 {cond("pathname", event.OpEqual, "/etc/shadow")},
		"openat.pathname=/etc/shadow,/etc/passwd":                     {cond("pathname", event.OpEqual, "/etc/shadow", "/etc/passwd")},
		"openat.pathname=/etc/shadow,/root/*,*.pem":                   {cond("pathname", event.OpEqual, "/etc/shadow"), cond("pathname", event.OpPrefix, "/root/"), cond("pathname", event.OpSuffix, ".pem")},
		"openat.pathname=/proc/*/mem":                                 {cond("pathname", event.OpPrefix, "/proc/")},
		"openat.pathname=*/.ssh/id_*":                                 nil,
		"openat.pathname=/a,*":                                        nil,
		"openat.pathname!=/a":                                         nil,
		"openat.mode=0644":                                            {num("mode", event.OpEqual, 0o644)},
		"openat.mode<=0644":                                           {num("mode", event.OpLess, 0o645)},
		"openat.mode>=1":                                              {num("mode", event.OpGreater, 0)},
		"openat.mode>=0":                                              nil,
		"openat.dirfd>=0":                                             {num("dirfd", event.OpGreater, ^uint64(0))},
		"openat.dirfd<=-1":                                            {num("dirfd", event.OpLess, 0)},
		"openat.flags=O_CREAT":                                        {num("flags", event.OpBits, 0o100, 0o100)},
		"openat.flags=*CREAT*":                                        nil,
		"openat.retval<0":                                             nil,
		"security_socket_connect.remote_addr=/run/*":                  {cond(addr+".sun_path", event.OpPrefix, "/run/")},
		"security_socket_connect.remote_addr=10.*":                    nil,
		"security_socket_connect.remote_addr=/a,b":                    nil,
		"security_socket_connect.remote_addr.sin_port=443,80":         {num(addr+".sin_port", event.OpEqual, 443, 80)},
		"security_socket_connect.remote_addr.sin_addr=10.0.0.1":       {cond(addr+".sin_addr", event.OpEqual, "10.0.0.1")},
		"security_socket_connect.remote_addr.sin_addr=10.0.0.*":       nil,
		"security_socket_connect.remote_addr.sin_addr=10.1.0.0/8,::1": {cond(addr+".sin_addr", event.OpCIDR, "10.0.0.0/8", "::1/128")},
		"security_socket_connect.remote_addr.sa_family=AF_UNIX":       nil,
		"security_socket_connect.remote_addr.sun_path=*docker.sock":   {cond(addr+".sun_path", event.OpSuffix, "docker.sock")},
	} {
		f, err := Parse([]string{expr}, Scope{})
		if err != nil {
			t.Fatal(err)
		}
		var got []event.Cond
		for _, c := range f.Selections()[0].Clauses {
			got = append(got, c.Conds...)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s: %+v, want %+v", expr, got, want)
		}
	}
	f, err := Parse([]string{"openat.pathname=/a,/b*", "openat.flags=O_CREAT"}, Scope{PIDs: []uint32{1}, UIDs: []uint32{2}, Cgroups: []uint64{3}, MntNS: []uint32{4}, PidNS: []uint32{5}, Comms: []string{"a*"}})
	if err != nil {
		t.Fatal(err)
	}
	task := "{Field:@uid Op:0 Strs:[] Nums:[2] Not:false} {Field:@pid Op:0 Strs:[] Nums:[1] Not:false} {Field:@cgroup Op:0 Strs:[] Nums:[3] Not:false} " +
		"{Field:@mntns Op:0 Strs:[] Nums:[4] Not:false} {Field:@pidns Op:0 Strs:[] Nums:[5] Not:false} {Field:@comm Op:1 Strs:[a] Nums:[] Not:false} "
	flags := " {Field:flags Op:4 Strs:[] Nums:[64 64] Not:false}"
	want := "[{Origins:0 Conds:[" + task + "{Field:pathname Op:0 Strs:[/a] Nums:[] Not:false}" + flags + "]} {Origins:0 Conds:[" + task + "{Field:pathname Op:1 Strs:[/b] Nums:[] Not:false}" + flags + "]}]"
	if got := fmt.Sprintf("%+v", f.Selections()[0].Clauses); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
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
