package sensor

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

var (
	seed  = flag.Uint64("seed", 1, "of random rules and calls")
	calls = flag.Int("calls", 800, "random system calls for each set of rules")
	sets  = flag.Int("sets", 2, "sets of random rules, beside the built-in ones")
)

func TestMain(m *testing.M) {
	if text := os.Getenv("TOCSIN_RANDOM_CALLS"); text != "" {
		var o callOptions
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			fail("options", err)
		}
		o.run()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A watch is a whole sensor that keeps what it sees in one mount namespace.
type watch struct {
	*bpf.Sensor
	s        *Sensor
	filtered bool

	mu         sync.Mutex
	ns         uint32
	selections map[string]event.Selection
	seen       map[string]int // what rules may want, by what it is
	exits      map[uint32]bool
}

// Select leaves out every condition unless the watch filters.
func (w *watch) Select(selections []event.Selection) error {
	if w.filtered {
		return w.Sensor.Select(selections)
	}
	var all []event.Selection
	for _, s := range selections {
		all = append(all, event.Selection{Event: s.Event})
	}
	return w.Sensor.Select(all)
}

func (w *watch) Run(ctx context.Context, f func(*event.Event)) error {
	return w.Sensor.Run(ctx, func(e *event.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if e.MntNS != w.ns {
			return
		}
		f(e)
		if e.Name() == "sched_process_exit" && e.Uint(e.Arg("process_group_exit")) == 1 {
			w.exits[e.HostPID] = true
		}
		if s, ok := w.selections[e.Name()]; ok && e.Flags&event.FlagUnselected == 0 && detect.Selected(s, e) {
			w.seen[identity(e)]++
		}
	})
}

// identity is all of an event but what differs between two sensors that see the same.
func identity(e *event.Event) string {
	b := fmt.Appendf(nil, "%s thread %d of %d, user %d, %q, call %d = %d", e.Name(), e.HostTID, e.HostPID, e.UID, e.CommString(), e.Syscall, e.Return)
	for i := range e.Def.Args {
		if e.Has(i) {
			b = e.AppendArg(fmt.Appendf(b, " %s=", e.Def.Args[i].Name), i)
		}
	}
	return string(b)
}

func startWatch(t *testing.T, f *bpf.Features, r Rules, filtered bool) *watch {
	t.Helper()
	k, err := bpf.Open(bpf.Options{Features: f, RingBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{Sensor: k, filtered: filtered, selections: map[string]event.Selection{}, seen: map[string]int{}, exits: map[uint32]bool{}}
	mount, hierarchy := k.CgroupHierarchy()
	log := slog.New(slog.DiscardHandler)
	w.s, err = New(Options{
		Kernel: w, Rules: r, Host: "h", Log: log, Publish: func(context.Context, *finding.Finding) error { return nil },
		Enrich: enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy, Logger: log},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := w.s.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	for _, s := range w.s.engine.Selections() {
		w.selections[s.Event] = s
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.s.Close()
	})
	return w
}

// Whatever a rule matches leaves the kernel: a sensor whose filters are derived from rules sees, of random system calls, all that one
// without filters sees and a rule may want, and the rules match as often.
func TestFiltersInTheKernel(t *testing.T) {
	if err := bpf.CheckPrivileges(); err != nil {
		t.Skip(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	f, err := bpf.Probe()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("builtin", func(t *testing.T) { compareFilters(t, f, Rules{Builtin: rules.FS()}, *seed) })
	for i := range uint64(*sets) {
		t.Run(fmt.Sprintf("seed %d", *seed+i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(*seed+i, 3))
			dir := t.TempDir()
			for n := range 25 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("r%d.rego", n)), []byte(randomRule(r, n)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			compareFilters(t, f, Rules{Dirs: []string{dir}}, *seed+i)
		})
	}
}

func compareFilters(t *testing.T, f *bpf.Features, r Rules, seed uint64) {
	without, with := startWatch(t, f, r, false), startWatch(t, f, r, true)
	o := callOptions{Seed: seed, Calls: *calls, Texts: slices.Clone(lookedFor), Numbers: []uint64{0, 1, 53, 80, 443, 8080}}
	for _, s := range with.selections { // what filters are about, for calls just on both sides of them
		for _, c := range s.Clauses {
			for _, cond := range c.Conds {
				o.Texts = append(o.Texts, cond.Strs...)
				o.Numbers = append(o.Numbers, cond.Nums...)
			}
		}
	}
	for _, container := range []bool{false, true} {
		if container {
			if o.Cgroup = containerGroup(t, with.Sensor); o.Cgroup == "" {
				t.Log("no control groups: nothing runs as a container")
				continue
			}
		}
		pid := o.start(t, func(ns uint32) {
			for _, w := range []*watch{without, with} {
				w.mu.Lock()
				w.ns = ns
				w.mu.Unlock()
			}
		})
		for _, w := range []*watch{without, with} {
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				w.mu.Lock()
				ended := w.exits[pid]
				w.mu.Unlock()
				if ended {
					break
				} else if time.Now().After(deadline) {
					t.Fatal("the end of the process was not seen")
				}
			}
		}
	}
	for _, w := range []*watch{without, with} {
		if st, err := w.Stats(); err != nil || st.Lost() > 0 {
			t.Logf("%v: events were lost: %+v", err, st) // what is missing below may be among them
		}
	}
	without.mu.Lock()
	defer without.mu.Unlock()
	with.mu.Lock()
	defer with.mu.Unlock()
	wanted, missing := 0, 0
	for e, n := range without.seen {
		wanted += n
		if got := with.seen[e]; got < n {
			if missing++; missing <= 10 {
				t.Errorf("%d times, with the filters %d times: %s", n, got, e)
			}
		}
	}
	for e, n := range with.seen {
		if n > without.seen[e] {
			t.Logf("%d times, without filters %d times: %s", n, without.seen[e], e)
		}
	}
	matched := uint64(0)
	before := without.s.engine.Stats()
	for i, s := range with.s.engine.Stats() {
		matched += s.Matches
		if s.Matches < before[i].Matches || s.ID != before[i].ID {
			t.Errorf("rule %s matched %d times, without filters %d times", s.ID, s.Matches, before[i].Matches)
		}
	}
	st, err := with.Stats()
	all, err2 := without.Stats()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	t.Logf("%d kinds of events, %d wanted, %d matches; in the kernel of all processes %d with filters, %d without", len(with.selections), wanted, matched, attempted(st), attempted(all))
	if wanted == 0 || matched == 0 {
		t.Error("nothing was wanted, or nothing matched: this tests nothing")
	}
}

func attempted(s bpf.Stats) (n uint64) {
	for _, e := range s.Events {
		n += e.Attempted
	}
	return n
}

// containerGroup makes a control group that looks like a container's.
func containerGroup(t *testing.T, s *bpf.Sensor) string {
	mount, _ := s.CgroupHierarchy()
	if mount == "" {
		return ""
	}
	dir := filepath.Join(mount, fmt.Sprintf("%064x", rand.Uint64()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	return dir
}

// lookedFor are what rules look for, and random calls use.
var lookedFor = []string{
	"/etc/shadow", "/etc/passwd", "/etc/ld.so.preload", "/root/.ssh/authorized_keys", "/home/u/.ssh/id_rsa", "/usr/bin/curl", "/usr/sbin/sshd", "/tmp/.hidden",
	"/var/run/docker.sock", "/dev/shm/x", "/var/log/auth.log", "/etc/cron.d/job", ".so", ".sh", "/bin/", "key", "/", "a", "www.example.test", "/proc/self/mem",
	"/a/path/with/many/components/in/it/and/a/name/that/is/" + strings.Repeat("long", 55), "/" + strings.Repeat("d/", 60) + "deep",
}

// randomRule writes a rule of one to three conditions.
func randomRule(r *rand.Rand, n int) string {
	names := []string{
		"security_file_open", "security_file_open", "openat", "security_inode_unlink", "security_inode_rename", "security_inode_symlink", "security_inode_mknod",
		"security_socket_connect", "security_socket_bind", "security_socket_create", "sched_process_exec", "execve", "memfd_create", "magic_write", "fchmodat",
		"security_mmap_file", "security_file_mprotect", "prctl", "net_packet_dns_request", "setuid",
	}
	name := names[r.IntN(len(names))]
	def := event.ByName(name)
	text := func() string { return fmt.Sprintf("%q", lookedFor[r.IntN(len(lookedFor))]) }
	compare := func(x string) string {
		switch r.IntN(5) {
		case 0:
			return x + " == " + text()
		case 1:
			return "startswith(" + x + ", " + text() + ")"
		case 2:
			return "endswith(" + x + ", " + text() + ")"
		case 3:
			return "contains(" + x + ", " + text() + ")"
		}
		return "{" + text() + ", " + text() + ", " + text() + "}[" + x + "]"
	}
	body := func() string {
		var b strings.Builder
		for range 1 + r.IntN(3) {
			a := def.Args[r.IntN(len(def.Args))]
			x := fmt.Sprintf("helpers.get_tracee_argument(%q)", a.Name)
			switch {
			case r.IntN(5) == 0:
				b.WriteString("\t" + []string{compare("input.processName"), fmt.Sprintf("input.userId == %d", r.IntN(3)), fmt.Sprintf("input.userId > %d", r.IntN(3))}[r.IntN(3)] + "\n")
			case a.Kind == event.KindString:
				b.WriteString("\t" + compare(x) + "\n")
			case a.Kind == event.KindSockaddr:
				part := []string{"sun_path", "sin_port", "sin_addr", "sin6_addr", "sa_family"}[r.IntN(5)]
				value := map[string][]string{
					"sun_path": {"/var/run/docker.sock"}, "sin_port": {"53", "80", "443"}, "sin_addr": {"127.0.0.1", "10.1.2.3"}, "sin6_addr": {"::1"}, "sa_family": {"AF_UNIX", "AF_INET"},
				}[part]
				b.WriteString("\t" + x + "." + part + fmt.Sprintf(" == %q\n", value[r.IntN(len(value))]))
			case a.Name == "flags" || a.Name == "mode":
				b.WriteString("\t" + []string{"helpers.is_file_write(" + x + ")", "helpers.is_file_read(" + x + ")", "contains(" + x + `, "O_TRUNC")`, "contains(" + x + `, "S_I")`}[r.IntN(4)] + "\n")
			default:
				b.WriteString("\t" + x + "\n") // it is there
			}
		}
		return b.String()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "package random.r%d\nimport data.tracee.helpers\n__rego_metadoc__ := {\"id\": \"R%d\", \"name\": \"n\", \"properties\": {\"Severity\": 1}}\n", n, n)
	fmt.Fprintf(&out, "tracee_selected_events[s] { s := {\"source\": \"tracee\", \"name\": %q, \"origin\": %q} }\n", name, []string{"*", "*", "host", "container"}[r.IntN(4)])
	for range 1 + r.IntN(2) {
		out.WriteString("tracee_match {\n" + body() + "}\n")
	}
	return out.String()
}

// start runs the calls in a process of its own; before the first one ready is given its mount namespace.
func (o callOptions) start(t *testing.T, ready func(ns uint32)) (pid uint32) {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "options")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{`TOCSIN_RANDOM_CALLS={"File":"` + file + `"}`}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d/ns/mnt", cmd.Process.Pid), &st); err != nil {
		t.Fatal(err)
	}
	// It waits for its input. What it did to start is not compared: whether a watch reads that before it knows the namespace is chance.
	time.Sleep(2 * time.Second)
	ready(uint32(st.Ino))
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if said.Len() > 0 {
		t.Log(said.String())
	}
	return uint32(cmd.Process.Pid)
}
