package bpf

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func init() {
	triggers = append(triggers, trigger{name: "open many", child: func(arg string) {
		for i, path := range strings.Split(arg, ",") {
			flags := unix.O_RDONLY
			if i%2 == 1 {
				flags = unix.O_WRONLY
			}
			fd, err := unix.Openat(unix.AT_FDCWD, path, flags, 0)
			check("open "+path, err)
			unix.Close(fd)
		}
	}}, trigger{name: "open missing", child: func(arg string) {
		for _, path := range strings.Split(arg, ",") {
			if fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDONLY, 0); err == nil {
				unix.Close(fd)
			}
		}
	}}, trigger{name: "connect many", child: func(arg string) {
		for _, addr := range strings.Split(arg, ",") {
			network, addr, _ := strings.Cut(addr, ":")
			c, err := net.Dial(network, addr)
			check("connect", err)
			c.Close()
		}
	}})
}

// What the kernel lets through is exactly what the clauses say, where it can judge them.
func TestFilter(t *testing.T) {
	r := startRecorder(t, Options{})
	dir := t.TempDir()
	long := strings.Repeat("l", 200)
	deep := strings.Repeat("d", 200) + "/" + strings.Repeat("e", 100) + "/"                 // more than is searched
	names := []string{"a.conf", "a.conf.bak", "shadow", long + "1", long + "2", deep + "f"} // even ones are read, odd ones written
	if err := os.MkdirAll(filepath.Join(dir, deep), 0o700); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, n := range names {
		p := filepath.Join(dir, n)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	const writing = unix.O_WRONLY
	cond := func(field string, op event.Op, strs ...string) event.Cond {
		return event.Cond{Field: field, Op: op, Strs: strs}
	}
	num := func(field string, op event.Op, nums ...uint64) event.Cond {
		return event.Cond{Field: field, Op: op, Nums: nums}
	}
	not := func(c event.Cond) event.Cond { c.Not = true; return c }
	clause := func(c ...event.Cond) event.Clause { return event.Clause{Conds: c} }
	inDir := cond("pathname", event.OpPrefix, dir)
	selectAll(t, r.Sensor, "security_file_open")
	first := startTrigger(t, "open many", paths[0])
	here := r.find(func(e *event.Event) bool { return int(e.HostPID) == first }).CgroupID
	for name, tc := range map[string]struct {
		clauses []event.Clause
		want    []string
	}{
		"none":             {nil, names},
		"exact":            {[]event.Clause{clause(cond("pathname", event.OpEqual, paths[0]))}, names[:1]},
		"prefix":           {[]event.Clause{clause(cond("pathname", event.OpPrefix, paths[0]))}, names[:2]},
		"suffix":           {[]event.Clause{clause(cond("pathname", event.OpSuffix, "/shadow", ".bak"))}, []string{"a.conf.bak", "shadow"}},
		"long names":       {[]event.Clause{clause(cond("pathname", event.OpEqual, paths[3]))}, names[3:4]},
		"flags":            {[]event.Clause{clause(inDir, num("flags", event.OpBits, 3, writing))}, []string{"a.conf.bak", long + "1", deep + "f"}},
		"either":           {[]event.Clause{clause(cond("pathname", event.OpEqual, paths[2])), clause(cond("pathname", event.OpPrefix, paths[1]))}, []string{"a.conf.bak", "shadow"}},
		"nested prefixes":  {[]event.Clause{clause(cond("pathname", event.OpPrefix, dir), num("flags", event.OpBits, 3, writing)), clause(cond("pathname", event.OpEqual, paths[0]))}, []string{"a.conf", "a.conf.bak", long + "1", deep + "f"}},
		"other fields":     {[]event.Clause{clause(cond("pathname", event.OpEqual, paths[0]), num("@uid", event.OpEqual, 12345)), clause(cond("pathname", event.OpEqual, paths[2]), num("@uid", event.OpEqual, uint64(os.Getuid())))}, names[2:3]},
		"comm":             {[]event.Clause{clause(inDir, cond("@comm", event.OpPrefix, "no-such"))}, nil},
		"greater":          {[]event.Clause{clause(inDir, num("inode", event.OpGreater, 0))}, names},
		"less":             {[]event.Clause{clause(inDir, num("inode", event.OpLess, 1))}, nil},
		"negative flags":   {[]event.Clause{clause(inDir, num("flags", event.OpLess, ^uint64(0)))}, nil}, // an int: less than -1
		"mount namespace":  {[]event.Clause{clause(inDir, num("@mntns", event.OpEqual, uint64(inodeOf("/proc/self/ns/mnt"))))}, names},
		"pid namespace":    {[]event.Clause{clause(inDir, num("@pidns", event.OpEqual, 1))}, nil},
		"another process":  {[]event.Clause{clause(inDir, num("@pid", event.OpEqual, 1))}, nil},
		"another user":     {[]event.Clause{clause(inDir, num("@uid", event.OpEqual, 12345))}, nil},
		"control group":    {[]event.Clause{clause(inDir, num("@cgroup", event.OpEqual, here))}, names},
		"another cgroup":   {[]event.Clause{clause(inDir, num("@cgroup", event.OpEqual, here+1))}, nil},
		"absent argument":  {[]event.Clause{clause(cond("remote_addr.sun_path", event.OpEqual, "x"))}, names}, // unknown: everything
		"cannot be judged": {[]event.Clause{clause(cond("pathname", event.OpContains, "é"))}, names},          // a byte that is no UTF-8 is shown as another character
		"contains":         {[]event.Clause{clause(inDir, cond("pathname", event.OpContains, "f.b", "lllllll2", "hadow/"))}, []string{"a.conf.bak", long + "2", deep + "f"}},
		"contains end":     {[]event.Clause{clause(inDir, cond("pathname", event.OpContains, "/shadow", "/"+"shadow/"))}, []string{"shadow", deep + "f"}},
		"other contains":   {[]event.Clause{clause(cond("pathname", event.OpPrefix, "/no/"), cond("pathname", event.OpContains, "conf")), clause(cond("pathname", event.OpSuffix, "w"), cond("pathname", event.OpContains, "/sh"))}, names[2:3]},
		"not":              {[]event.Clause{clause(inDir, not(cond("pathname", event.OpPrefix, dir+"/a", dir+"/s")))}, names[3:]},
		"not, two":         {[]event.Clause{clause(inDir, not(cond("pathname", event.OpPrefix, dir+"/a")), not(cond("pathname", event.OpSuffix, "2", "/f")))}, names[2:4]},
		"not equal":        {[]event.Clause{clause(inDir, not(cond("pathname", event.OpEqual, paths[0])))}, names[1:]},
		"not one too long": {[]event.Clause{clause(inDir, not(cond("pathname", event.OpEqual, paths[0], paths[5])))}, names},
		"not user":         {[]event.Clause{clause(inDir, not(num("@uid", event.OpEqual, uint64(os.Getuid()))))}, nil},
		"not absent":       {[]event.Clause{clause(inDir, not(cond("syscall_pathname", event.OpPrefix, dir)), cond("pathname", event.OpSuffix, "/shadow")), clause(cond("pathname", event.OpEqual, paths[0]))}, names[:1]},
		"many clauses": {func() (out []event.Clause) {
			for i := range 70 {
				out = append(out, clause(cond("pathname", event.OpEqual, fmt.Sprintf("/no/%d", i))))
			}
			return append(out, clause(cond("pathname", event.OpEqual, paths[0])))
		}(), names}, // more than there are bits: the last ones are not tested
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range usableHooks(t, "security_file_open") {
				r.prefer = map[string]*Hook{"security_file_open": kind}
				if err := r.Select([]event.Selection{{Event: "security_file_open", Clauses: tc.clauses}}); err != nil {
					t.Fatal(err)
				}
				before := attempted(t, r.Sensor)
				pid := startTrigger(t, "open many", strings.Join(paths, ","))
				r.find(func(e *event.Event) bool {
					return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1
				})
				// Where paths of this test alone are wanted, nothing else is so much as attempted.
				if len(tc.want) < len(names) && len(tc.clauses) > 0 && len(tc.clauses[0].Conds) > 0 && tc.clauses[0].Conds[0].Op == event.OpEqual {
					if n := attempted(t, r.Sensor) - before; n != uint64(len(tc.want)) {
						t.Errorf("%s: %d were attempted, %d wanted", kind.Kind, n, len(tc.want))
					}
				}
				var got []string
				r.mu.Lock()
				for _, e := range r.events {
					if p, _ := argText(e, "pathname"); e.Name() == "security_file_open" && int(e.HostPID) == pid && strings.HasPrefix(p, dir) {
						got = append(got, strings.TrimPrefix(p, dir+"/"))
					}
				}
				r.mu.Unlock()
				if !slices.Equal(got, tc.want) {
					t.Errorf("%s: got %d %.60q, want %d %.60q", kind.Kind, len(got), got, len(tc.want), tc.want)
				}
			}
		})
	}
}

// attempted counts the occurrences that passed the filter in the kernel.
func attempted(t *testing.T, s *Sensor) uint64 {
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st.Events["security_file_open"].Attempted
}

func usableHooks(t *testing.T, name string) (out []*Hook) {
	choice := testFeatures(t).Hooks(name)
	for i := range choice.Alternatives {
		if choice.Alternatives[i].Usable {
			out = append(out, &choice.Alternatives[i])
		}
	}
	return out
}

func TestFilterAddresses(t *testing.T) {
	r := startRecorder(t, Options{})
	tcp := listen(t, "tcp", "127.0.0.1:0").Addr().String()
	_, port, _ := net.SplitHostPort(tcp)
	path := listen(t, "unix", filepath.Join(t.TempDir(), "docker.sock")).Addr().String()
	abstract := fmt.Sprintf("@tocsin-%d", time.Now().UnixNano())
	listen(t, "unix", abstract)
	for name, tc := range map[string]struct {
		cond event.Cond
		want []string
	}{
		"path":     {event.Cond{Field: "remote_addr.sun_path", Op: event.OpEqual, Strs: []string{path}}, []string{unixAddress(path)}},
		"abstract": {event.Cond{Field: "remote_addr.sun_path", Op: event.OpPrefix, Strs: []string{"@tocsin-"}}, []string{unixAddress(abstract)}},
		"port":     {event.Cond{Field: "remote_addr.sin_port", Op: event.OpEqual, Strs: []string{port}}, []string{port}},
		"address":  {event.Cond{Field: "remote_addr.sin_addr", Op: event.OpEqual, Strs: []string{"127.0.0.1", "::1"}}, []string{port}},
		"network":  {event.Cond{Field: "remote_addr.sin_addr", Op: event.OpCIDR, Strs: []string{"10.0.0.0/8", "127.0.0.0/9"}}, []string{port}},
		"other":    {event.Cond{Field: "remote_addr.sin_addr", Op: event.OpCIDR, Strs: []string{"127.0.0.0/31", "128.0.0.0/1"}}, []string{port}},
		"nothing":  {event.Cond{Field: "remote_addr.sin_addr", Op: event.OpCIDR, Strs: []string{"10.0.0.0/8"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := r.Select([]event.Selection{{Event: "security_socket_connect", Clauses: []event.Clause{{Conds: []event.Cond{tc.cond}}}}}); err != nil {
				t.Fatal(err)
			}
			pid := startTrigger(t, "connect many", "tcp:"+tcp+",unix:"+path+",unix:"+abstract)
			r.find(func(e *event.Event) bool { return int(e.HostPID) == pid && e.Name() == "sched_process_exit" })
			got := r.of(pid, "security_socket_connect")
			if len(got) != len(tc.want) || len(got) > 0 && !strings.Contains(got[0], tc.want[0]) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// Selecting again, with other filters, while events happen: what stays selected is never missed.
func TestSelectWhileRunning(t *testing.T) {
	r := startRecorder(t, Options{})
	file := tempFile(t)
	sel := func(i int) []event.Selection {
		return []event.Selection{{Event: "openat"}, {Event: "security_file_open", Clauses: []event.Clause{
			{Conds: []event.Cond{{Field: "pathname", Op: event.OpEqual, Strs: []string{file, fmt.Sprint("/other/", i)}}}},
		}}}
	}
	if err := r.Select(sel(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan int)
	go func() {
		done <- startTrigger(t, "open many", strings.TrimSuffix(strings.Repeat(file+",", 500), ","))
	}()
	pid := 0
	for i := 1; pid == 0; i++ {
		select {
		case pid = <-done:
		default:
			if err := r.Select(sel(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.find(func(e *event.Event) bool {
		return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(1) == 1
	})
	count := map[string]int{}
	r.mu.Lock()
	for _, e := range r.events {
		if s, _ := argText(e, "pathname"); int(e.HostPID) == pid && s == file {
			count[e.Name()]++
		}
	}
	r.mu.Unlock()
	if count["openat"] != 500 || count["security_file_open"] != 500 {
		t.Errorf("seen %v, want 500 of each", count)
	}
}

// Everything at once: programs of different events share tables and system calls.
func TestSelectEverything(t *testing.T) {
	r := startRecorder(t, Options{})
	var sel []event.Selection
	for i := range event.All() {
		if c := r.Features().Hooks(event.All()[i].Name); c.Hook != nil {
			sel = append(sel, event.Selection{Event: c.Event})
		}
	}
	start := time.Now()
	if err := r.Select(sel); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %v", len(sel), time.Since(start).Round(time.Millisecond))
	file := tempFile(t)
	pid := startTrigger(t, "open many", file)
	for _, name := range []string{"openat", "security_file_open", "sched_process_exec", "security_bprm_check", "execve"} {
		if r.find(func(e *event.Event) bool { return int(e.HostPID) == pid && e.Name() == name }) == nil {
			t.Errorf("no %s", name)
		}
	}
}

// The kernel finds texts where they are, and only there.
func TestTexts(t *testing.T) {
	r := startRecorder(t, Options{})
	rnd := rand.New(rand.NewPCG(3, 4))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "/abc."[rnd.IntN(5)]
		}
		return string(b)
	}
	holds := map[event.Op]func(s, text string) bool{
		event.OpEqual: func(s, text string) bool { return s == text }, event.OpPrefix: strings.HasPrefix,
		event.OpSuffix: strings.HasSuffix, event.OpContains: strings.Contains,
	}
	for round := range 40 {
		var paths []string
		for range 60 {
			paths = append(paths, "/"+text(rnd.IntN([]int{4, 60}[rnd.IntN(2)])))
		}
		op := []event.Op{event.OpEqual, event.OpPrefix, event.OpSuffix, event.OpContains}[round%4]
		cond := event.Cond{Field: "pathname", Op: op, Not: op != event.OpContains && rnd.IntN(3) == 0}
		shortest := 1 + rnd.IntN(6)
		for range 1 + rnd.IntN(6) {
			p := paths[rnd.IntN(len(paths))]
			k := min(len(p), shortest+rnd.IntN(4))
			cond.Strs = append(cond.Strs, map[event.Op]string{
				event.OpEqual: p, event.OpPrefix: p[:k], event.OpSuffix: p[len(p)-k:], event.OpContains: text(shortest + rnd.IntN(4)),
			}[op])
		}
		var want []string
		for _, p := range paths {
			if slices.ContainsFunc(cond.Strs, func(s string) bool { return holds[op](p, s) }) != cond.Not {
				want = append(want, p)
			}
		}
		if err := r.Select([]event.Selection{{Event: "openat", Clauses: []event.Clause{{Conds: []event.Cond{cond}}}}}); err != nil {
			t.Fatal(err)
		}
		pid := startTrigger(t, "open missing", strings.Join(paths, ","))
		r.find(func(e *event.Event) bool {
			return int(e.HostPID) == pid && e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1
		})
		var got []string
		r.mu.Lock()
		for _, e := range r.events {
			if p, _ := argText(e, "pathname"); e.Name() == "openat" && int(e.HostPID) == pid && slices.Contains(paths, p) {
				got = append(got, p)
			}
		}
		r.mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %d %q, want %d %q", cond, len(got), got, len(want), want)
		}
	}
}

// mayHaveNeedle is may_have_needle of filter.h.
func mayHaveNeedle(n *needles, s string) bool {
	start, at, part := 0, int(n.Least)-1, n.Heads
	for range 128 {
		if at >= len(s) {
			return false
		}
		if part &= n.Bytes[s[at]]; part == 0 {
			start, at, part = at+1, at+int(n.Least), n.Heads
			continue
		}
		if at == start {
			return true
		}
		at--
		part = part &^ n.First >> 1
	}
	return true
}

// What needles grant is never less than what contains the text, and the same where all of it has room.
func TestNeedles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func(max int) string {
		b := make([]byte, 1+r.IntN(max))
		for i := range b {
			b[i] = "/abc."[r.IntN(5)]
		}
		return string(b)
	}
	exact, cut, dropped, searched, skipped := 0, 0, 0, 0, 0
	for range 2000 {
		var tests []filterTest
		bytes := 0
		for c := range 1 + r.IntN(4) {
			cond := event.Cond{Field: "pathname", Op: event.OpContains}
			for range 1 + r.IntN(8) {
				s := text(16)
				bytes += len(s)
				cond.Strs = append(cond.Strs, s)
			}
			tests = append(tests, filterTest{group{inside: true}, testContains, cond, 1 << c})
		}
		n := needlesOf(tests)
		if n == nil {
			dropped++
			continue
		}
		for range 50 {
			s := text(60)
			var state, found, granted, want uint64
			if mayHaveNeedle(n, s) {
				searched++
				for i := range len(s) { // as match_needles does
					state = (state<<1 | n.First) & n.Bytes[s[i]]
					found |= state
				}
			} else {
				skipped++
			}
			for i := range n.Grants {
				if found&n.Last&(1<<i) != 0 {
					granted |= n.Grants[i]
				}
			}
			for _, test := range tests {
				if slices.ContainsFunc(test.cond.Strs, func(x string) bool { return strings.Contains(s, x) }) {
					want |= test.clause
				}
			}
			if want&^granted != 0 || bytes <= needleBits && granted != want {
				t.Fatalf("%v in %q: granted %b, want %b", tests, s, granted, want)
			}
		}
		if bytes <= needleBits {
			exact++
		} else {
			cut++
		}
	}
	if exact == 0 || cut == 0 || searched == 0 || skipped == 0 {
		t.Errorf("%d exact, %d cut, %d dropped; %d searched, %d skipped", exact, cut, dropped, searched, skipped)
	}
}
