package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tocsin-io/tocsin/event"
)

// The benchmarks run the same events through the engine, through matchers written by hand in Go, and through OPA as it is
// usually used, so that their ratios are of one run: go test -bench . ./detect

// trace makes events as a build machine and a web server cause them, of which about one in a thousand is what rules are for.
func trace(tb testing.TB, n int, attacks float64) []*event.Event {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	dirs := []string{"/usr/lib/x86_64-linux-gnu/", "/usr/include/linux/", "/home/build/src/pkg/", "/usr/share/zoneinfo/", "/proc/self/", "/tmp/go-build123/", "/etc/ssl/certs/", "/var/lib/app/data/"}
	names := []string{"libc.so.6", "stdio.h", "main.go", "util.c", "status", "_pkg_.a", "ca.pem", "segment.db", "index.html", "config.yaml"}
	progs := []string{"/usr/bin/sed", "/usr/bin/sort", "/usr/bin/git", "/usr/bin/awk", "/usr/bin/tr", "/usr/sbin/nginx", "/usr/bin/cat", "/usr/bin/python3"}
	var out []*event.Event
	for i := range n {
		o := occurrence{args: map[string]any{}, comm: pick(r, []string{"gcc", "make", "nginx", "go", "cc1"}), uid: 1000, pid: uint32(100 + i%60), exe: pick(r, progs), ancestors: []string{"/usr/bin/make", "/usr/bin/bash"}}
		if r.IntN(3) == 0 {
			o.origin = event.OriginContainer
			o.image = "registry/app:1"
		}
		attack := r.Float64() < attacks
		switch k := r.IntN(100); {
		case attack && k < 50:
			o.def = event.ByName("security_file_open")
			o.args = map[string]any{"pathname": pick(r, []string{"/etc/ld.so.preload", "/proc/self/mem"}), "flags": "O_WRONLY|O_CREAT", "dev": 1, "inode": 7}
		case attack:
			o.def = event.ByName("sched_process_exec")
			o.args = map[string]any{"pathname": "/dev/shm/x", "argv": []string{"/dev/shm/x"}}
		case k < 70:
			o.def = event.ByName("security_file_open")
			flags := "O_RDONLY|O_CLOEXEC"
			if r.IntN(5) == 0 {
				flags = "O_WRONLY|O_CREAT|O_TRUNC"
			}
			p := pick(r, dirs) + strconv.Itoa(r.IntN(900)) + pick(r, names)
			o.args = map[string]any{"pathname": p, "flags": flags, "dev": 1, "inode": uint64(i), "ctime": 1, "syscall_pathname": p, "syscall": 257}
		case k < 80:
			o.def = event.ByName("sched_process_exec")
			p := pick(r, progs)
			o.args = map[string]any{"cmdpath": p, "pathname": p, "argv": []string{p, "-c", "-O2", "-o", "x.o", "x.c"}, "env": []string{"PATH=/usr/bin", "HOME=/root"}, "interp": p}
		case k < 86:
			o.def = event.ByName("sched_process_fork")
		case k < 92:
			o.def = event.ByName("sched_process_exit")
			o.args = map[string]any{"exit_code": 0}
		case k < 96:
			o.def = event.ByName("security_socket_connect")
			sa := event.Sockaddr{Family: event.AFInet, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Port: 443}
			if r.IntN(2) == 0 {
				sa = event.Sockaddr{Family: event.AFUnix, Path: "/run/systemd/journal/socket"}
			}
			o.args = map[string]any{"sockfd": 5, "remote_addr": sa}
		case k < 98:
			o.def = event.ByName("magic_write")
			o.args = map[string]any{"pathname": "/tmp/go-build/" + strconv.Itoa(i), "bytes": []byte("!<arch>\n__.PKGDEF")}
		default:
			o.def = event.ByName("security_inode_rename")
			o.args = map[string]any{"old_path": "/tmp/a" + strconv.Itoa(i), "new_path": "/home/build/src/b"}
		}
		ev := o.build()
		ev.Timestamp += uint64(i) * uint64(time.Millisecond)
		out = append(out, ev)
	}
	return out
}

const traceSize = 8192

func newBenchEngine(b *testing.B, rules []Rule) *Engine {
	b.Helper()
	e, err := New(Options{Rules: rules, Sink: func(Hit) {}})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func loadBench(b *testing.B, dirs ...string) []Rule {
	b.Helper()
	var sources []Source
	for _, d := range dirs {
		sources = append(sources, Dir(d))
	}
	rules, errs := Load(sources...)
	for _, err := range errs {
		b.Fatal(err)
	}
	return rules
}

func run(b *testing.B, events []*event.Event, f func(*event.Event)) {
	for _, ev := range events { // plans are made when they are first needed
		f(ev)
	}
	b.ReportAllocs()
	i := 0
	start := cpuTime()
	for b.Loop() {
		f(events[i%len(events)])
		i++
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the process has used: on a shared machine it tells more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTracee: the rules of testdata/rules by the engine, by hand, and by OPA.
func BenchmarkTracee(b *testing.B) {
	rules := loadBench(b, "testdata/rules")
	for _, share := range []float64{0, 0.001, 0.01} {
		events := trace(b, traceSize, share)
		name := fmt.Sprintf("matches=%g%%", share*100)
		b.Run(name+"/engine", func(b *testing.B) { run(b, events, newBenchEngine(b, rules).Handle) })
		b.Run(name+"/byhand", func(b *testing.B) {
			n := 0
			run(b, events, func(ev *event.Event) {
				if byHand(ev) {
					n++
				}
			})
			sink = n
		})
	}
	events := trace(b, traceSize, 0.001)
	b.Run("matches=0.1%/opa", func(b *testing.B) { run(b, events, plainOPA(b, rules)) })
}

// BenchmarkBuiltin: the built-in rules by the engine and by OPA.
func BenchmarkBuiltin(b *testing.B) {
	rules := loadBench(b, "../rules")
	for _, share := range []float64{0, 0.001, 1} {
		events := trace(b, traceSize, share)
		b.Run(fmt.Sprintf("matches=%g%%/engine", share*100), func(b *testing.B) { run(b, events, newBenchEngine(b, rules).Handle) })
	}
	events := trace(b, traceSize, 0.001)
	b.Run("matches=0.1%/opa", func(b *testing.B) { run(b, events, plainOPA(b, rules)) })
}

// BenchmarkRules: how the cost grows with the number of rules.
func BenchmarkRules(b *testing.B) {
	events := trace(b, traceSize, 0.001)
	for _, n := range []int{60, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { run(b, events, newBenchEngine(b, manyRules(b, n)).Handle) })
	}
}

// BenchmarkLoad: reading and compiling a thousand rules.
func BenchmarkLoad(b *testing.B) {
	src := manySource(1000)
	for b.Loop() {
		rules, errs := Load(src)
		if len(errs) > 0 {
			b.Fatal(errs[0])
		}
		if _, err := New(Options{Rules: rules}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConfirm: an event that a rule's condition lets through.
func BenchmarkConfirm(b *testing.B) {
	for _, dir := range []string{"testdata/rules", "testdata/hard"} {
		for _, x := range loadBench(b, dir) {
			r := x.(*regoRule)
			g := newGenerator(3, r)
			d := newDifference(r)
			for range 20_000 {
				o := g.next()
				if hit, err := d.check(b, o); err != nil {
					b.Fatal(err)
				} else if hit {
					g.matched(o)
				}
				if len(g.hits) == 16 {
					break
				}
			}
			var events []*event.Event
			for _, o := range g.hits {
				events = append(events, o.build())
			}
			if len(events) == 0 {
				continue
			}
			b.Run(r.meta.ID, func(b *testing.B) { run(b, events, newBenchEngine(b, []Rule{r}).Handle) })
		}
	}
}

var sink int

// plainOPA is how OPA is usually used: a prepared query for each rule that selects the event, with a map as input.
func plainOPA(b *testing.B, rules []Rule) func(*event.Event) {
	b.Helper()
	ctx := context.Background()
	type prepared struct {
		rule  *regoRule
		query rego.PreparedEvalQuery
	}
	byName := map[string][]prepared{}
	for _, x := range rules {
		r := x.(*regoRule)
		q, err := r.policy.Prepared(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range event.All() {
			if _, ok := originsOf(r.Selectors(), d.Name); ok {
				byName[d.Name] = append(byName[d.Name], prepared{r, q})
			}
		}
	}
	inputs := map[*event.Event]map[string]any{}
	return func(ev *event.Event) {
		in := inputs[ev]
		if in == nil {
			if err := json.Unmarshal(ev.AppendJSON(nil), &in); err != nil {
				b.Fatal(err)
			}
			inputs[ev] = in
		}
		for _, p := range byName[ev.Def.Name] {
			if o, _ := originsOf(p.rule.Selectors(), ev.Def.Name); !o.Has(ev.Origin()) {
				continue
			}
			if _, err := p.query.Eval(ctx, rego.EvalInput(in)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// manySource makes n rules like those that people write: paths, programs, addresses, each with its own constants.
func manySource(n int) Source {
	files := map[string]string{}
	events := []struct{ name, arg string }{{"security_file_open", "pathname"}, {"sched_process_exec", "pathname"}, {"security_inode_rename", "new_path"}, {"security_inode_unlink", "pathname"}, {"security_file_open", "pathname"}}
	for i := range n {
		ev := events[i%len(events)]
		cond := []string{
			fmt.Sprintf(`startswith(p, "/opt/app%d/etc/")`, i),
			fmt.Sprintf(`p in {"/etc/service%d.conf", "/usr/lib/service%d.so", "/run/service%d"}`, i, i, i),
			fmt.Sprintf(`endswith(p, "/secret%d.key")`, i),
			fmt.Sprintf(`contains(p, "/.hidden%d/")`, i),
			fmt.Sprintf("startswith(p, \"/home/\")\n\tendswith(p, \".ext%d\")\n\tnot input.processName in {\"a%d\", \"b\"}", i, i),
		}[i%5]
		if ev.name == "security_file_open" && i%2 == 0 {
			cond += "\n\thelpers.is_file_write(helpers.get_tracee_argument(\"flags\"))"
		}
		files[fmt.Sprintf("r%d.rego", i)] = fmt.Sprintf(`package many.r%d

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "M-%d", "version": "1", "name": "rule %d", "properties": {"Severity": 2, "MITRE ATT&CK": "T1611"}}

tracee_selected_events contains {"source": "tracee", "name": "%s"}

tracee_match := {"path": p} if {
	p := helpers.get_tracee_argument("%s")
	%s
}
`, i, i, i, ev.name, ev.arg, cond)
	}
	return memory(files)
}

func manyRules(tb testing.TB, n int) []Rule {
	tb.Helper()
	rules, errs := Load(manySource(n))
	for _, err := range errs {
		tb.Fatal(err)
	}
	return rules
}

var procMem = regexp.MustCompile(`/proc/(?:\d.+|self)/mem`)

// byHand are the rules of testdata/rules, as one would write them in Go.
func byHand(ev *event.Event) bool {
	hit := false
	if ev.Origin() == event.OriginHost && ev.UID == 0 && ev.CommString() == "evil" {
		hit = true
	}
	switch ev.Def.Name {
	case "security_file_open":
		p, flags := ev.Str(0), ev.Uint(1)&3
		if flags != 0 {
			switch {
			case strings.HasPrefix(p, "/proc/") && procMem.MatchString(p), p == "/etc/ld.so.preload":
				hit = true
			case ev.Origin() == event.OriginContainer && strings.HasSuffix(p, "/release_agent"):
				hit = true
			}
		}
		if flags != 1 && strings.HasSuffix(p, "token") && strings.Contains(p, "secrets/kubernetes.io/serviceaccount") {
			hit = hit || !slices.Contains([]string{"flanneld", "kube-proxy", "etcd", "kube-apiserver", "coredns", "kube-controller", "kubectl"}, ev.CommString())
		}
		if ev.Uint(1) != 0 && (strings.HasPrefix(p, "/etc/") || strings.HasPrefix(p, "/usr/lib/systemd/") || strings.HasPrefix(p, "/root/.ssh/")) &&
			(strings.HasSuffix(p, ".service") || strings.HasSuffix(p, ".timer") || strings.HasSuffix(p, "authorized_keys") || strings.HasSuffix(p, "shadow")) {
			c := ev.CommString()
			hit = hit || (c != "systemctl" && c != "dpkg" && ev.UID < 65534)
		}
	case "sched_process_exec":
		p := ev.Str(1)
		switch {
		case strings.HasPrefix(p, "memfd:") && !strings.HasPrefix(p, "memfd:runc") && ev.CommString() != "runc", strings.HasPrefix(p, "/dev/shm/"), strings.HasPrefix(p, "/run/shm/"):
			hit = true
		case p == "/bin/sh" || p == "/bin/bash" || p == "/usr/bin/dash":
			for _, a := range ev.Process.Ancestors {
				if a.Executable == "/usr/sbin/nginx" || a.Executable == "/usr/sbin/apache2" {
					n, c := 0, false
					for _, s := range ev.StrList(2) {
						n++
						c = c || s == "-c"
					}
					hit = hit || (c && n > 2)
				}
			}
		}
		for _, a := range ev.StrList(2) {
			l := strings.ToLower(a)
			hit = hit || strings.HasPrefix(l, "stratum+tcp://") || strings.HasPrefix(l, "stratum+ssl://")
		}
	case "security_socket_connect":
		a := ev.Sockaddr(1)
		fd := ev.Int(0)
		switch {
		case a.Family == event.AFInet || a.Family == event.AFInet6:
			hit = fd >= 0 && fd <= 2
			if ev.Origin() == event.OriginContainer && (a.Port == 3333 || a.Port == 4444 || a.Port == 14444) {
				hit = true
			}
		case a.Family == event.AFUnix:
			hit = ev.Origin() == event.OriginContainer && strings.Contains(a.Path, "docker.sock")
		}
	case "magic_write":
		b := ev.Bytes(1)
		hit = hit || len(b) >= 4 && strings.EqualFold(string(b[1:4]), "elf") && !strings.HasPrefix(ev.Str(0), "/proc")
	case "ptrace":
		r := ev.Uint(0)
		hit = hit || r == 0 || r == 4 || r == 5
	case "security_inode_rename":
		p := ev.Str(1)
		hit = hit || strings.HasSuffix(p, "ld.so.preload") || (ev.Origin() == event.OriginContainer && strings.HasSuffix(p, "/release_agent"))
	case "execve":
		for _, e := range ev.StrList(2) {
			hit = hit || strings.HasPrefix(e, "LD_PRELOAD") || strings.HasPrefix(e, "LD_LIBRARY_PATH")
		}
	case "init_module":
		hit = true
	}
	return hit
}
