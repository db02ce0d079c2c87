// Package noise measures how many alerts ordinary work raises: it does the work for real, in a private copy of this
// machine's root, and counts what the built-in rules find in it.
//
// It takes minutes and installs packages (in the private copy), so it runs only when TOCSIN_NOISE is set. With
// -update it writes docs/noise.md.
package noise

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

var (
	update = flag.Bool("update", false, "write docs/noise.md")
	only   = flag.String("only", "", "run only the workloads whose names contain this")
	record = flag.Bool("record", false, "write testdata/trace.jsonl.gz")
	during = flag.Duration("for", 0, "do the work over and over, each time in a fresh root and with pauses, until this long has passed")
)

//go:embed workloads/*.sh
var workloads embed.FS

const workerVariable = "TOCSIN_NOISE_ROOT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerVariable); dir != "" {
		if err := worker(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// worker makes a writable copy of the root on a tmpfs, in this process's own mount namespace, and runs the scripts that
// it is given on its standard input there. It answers each with a line.
func worker(dir string) error {
	steps := []func() error{
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4g") },
		func() error { return os.Mkdir(dir+"/upper", 0o755) },
		func() error { return os.Mkdir(dir+"/work", 0o755) },
		func() error { return os.Mkdir(dir+"/root", 0o755) },
		func() error {
			return unix.Mount("overlay", dir+"/root", "overlay", 0, fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", dir, dir))
		},
		func() error { return unix.Mount("/proc", dir+"/root/proc", "", unix.MS_BIND|unix.MS_REC, "") },
		func() error { return unix.Mount("/sys", dir+"/root/sys", "", unix.MS_BIND|unix.MS_REC, "") },
		func() error { return unix.Mount("/dev", dir+"/root/dev", "", unix.MS_BIND|unix.MS_REC, "") },
		func() error { return unix.Mount("tmpfs", dir+"/root/tmp", "tmpfs", 0, "mode=1777,size=1g") },
		// Packages must not start their services.
		func() error {
			return os.WriteFile(dir+"/root/usr/sbin/policy-rc.d", []byte("#!/bin/sh\nexit 101\n"), 0o755)
		},
		func() error { return os.MkdirAll(dir+"/root/old", 0o755) },
		func() error { return unix.PivotRoot(dir+"/root", dir+"/root/old") },
		func() error { return os.Chdir("/") },
		func() error { return unix.Unmount("/old", unix.MNT_DETACH) },
		func() error { return os.Remove("/old") },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("make private root, step %d: %w", i+1, err)
		}
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	for {
		script, err := in.ReadBytes(0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c := exec.CommandContext(context.Background(), "/bin/sh")
		c.Args = []string{"/bin/sh", "-c", string(bytes.TrimSuffix(script, []byte{0}))}
		c.Env, c.Dir = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}, "/"
		out, err := c.CombinedOutput()
		said := map[string]string{"output": tail(string(out))}
		if err != nil {
			said["error"] = err.Error()
		}
		answer, _ := json.Marshal(said) // texts marshal
		fmt.Println(string(answer))
	}
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// pause is between two pieces of work when they are done over and over.
const pause = 10 * time.Second

// result is what one workload made.
type result struct {
	Name, Does string
	Rounds     int
	Took       time.Duration
	Events     int
	Findings   map[string][]*finding.Finding // by rule
}

func TestNoise(t *testing.T) {
	if os.Getenv("TOCSIN_NOISE") == "" {
		t.Skip("set TOCSIN_NOISE=1 to run it: it takes minutes, and fetches packages")
	}
	if err := bpf.CheckPrivileges(); err != nil {
		t.Skip(err)
	}
	var mu sync.Mutex
	var now *result
	var root *privateRoot
	list, errs := detect.Load(detect.Source{FS: rules.FS(), Name: "rules"})
	if errs != nil {
		t.Fatal(errs)
	}
	engine, err := detect.New(detect.Options{Rules: list, Sink: func(h detect.Hit) { f := h.Finding(); now.Findings[f.Rule.ID] = append(now.Findings[f.Rule.ID], f) }})
	if err != nil {
		t.Fatal(err)
	}
	sensor, err := bpf.Open(bpf.Options{RingBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	mount, hierarchy := sensor.CgroupHierarchy()
	enricher := enrich.New(enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy})
	defer enricher.Close()
	defer sensor.Close()
	selections := engine.Selections()
	var rec *recorder
	if *record {
		if rec, err = newRecorder(trace); err != nil {
			t.Fatal(err)
		}
		selections = everything(selections)
	}
	if err := sensor.Select(selections); err != nil {
		t.Log(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- sensor.Run(ctx, func(ev *event.Event) {
			enricher.Apply(ev)
			mu.Lock()
			defer mu.Unlock()
			if now == nil || ev.MntNS != root.mounts && !descends(ev, uint32(root.cmd.Process.Pid)) {
				return
			}
			now.Events++
			if rec != nil && now.Name != "canary" {
				rec.first = uint32(root.cmd.Process.Pid)
				rec.add(ev)
			}
			engine.Handle(ev)
		})
	}()
	work := func(r *result, script string) *result {
		mu.Lock()
		now = r
		mu.Unlock()
		start := time.Now()
		if err := root.run(script); err != nil {
			t.Errorf("%s failed, so that it shows nothing: %v", r.Name, err)
		}
		r.Took += time.Since(start)
		r.Rounds++
		time.Sleep(500 * time.Millisecond) // what is still in the ring
		mu.Lock()
		now = nil
		mu.Unlock()
		return r
	}
	var results []*result
	scripts := map[*result]string{}
	files, _ := workloads.ReadDir("workloads") // it is embedded
	for _, f := range files {
		if !strings.Contains(f.Name(), *only) {
			continue
		}
		script, _ := workloads.ReadFile("workloads/" + f.Name()) // it is embedded
		doc, _, _ := strings.Cut(string(script), "\n")
		r := newResult(strings.TrimSuffix(f.Name()[3:], ".sh"), strings.TrimPrefix(doc, "# "))
		results, scripts[r] = append(results, r), string(script)
	}
	start := time.Now()
	for round := 1; round == 1 || time.Since(start) < *during; round++ {
		next := newPrivateRoot(t)
		mu.Lock()
		root = next
		mu.Unlock()
		// A harness that sees nothing finds nothing.
		if r := work(newResult("canary", ""), "cat /etc/shadow > /dev/null"); len(r.Findings["shadow_file_read"]) == 0 {
			t.Fatal("the reading of /etc/shadow was not found: nothing would be")
		}
		for _, r := range results {
			work(r, scripts[r])
			if *during > 0 {
				time.Sleep(pause)
			}
		}
		root.close(t)
		t.Logf("round %d done after %v", round, time.Since(start).Round(time.Second))
	}
	wall := time.Since(start)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if rec != nil {
		if err := rec.close(); err != nil {
			t.Error(err)
		}
	}
	stats, err := sensor.Stats()
	if err != nil {
		t.Error(err)
	}
	t.Logf("%+v", stats)
	text := report(t, results, wall)
	t.Log("\n" + text)
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "noise.md"), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
	for _, r := range results {
		for id, list := range r.Findings {
			if list[0].Severity > finding.Low {
				t.Errorf("%s: %s (%s) found %d times, first: %s", r.Name, id, list[0].Severity, len(list), example(list[0]))
			}
		}
	}
}

func newResult(name, does string) *result {
	return &result{Name: name, Does: does, Findings: map[string][]*finding.Finding{}}
}

// privateRoot is a worker: a copy of the machine's root that scripts can change.
type privateRoot struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	mounts uint32 // its mount namespace
}

func newPrivateRoot(t *testing.T) *privateRoot {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &privateRoot{cmd: exec.CommandContext(t.Context(), exe)}
	r.cmd.Env = []string{workerVariable + "=" + t.TempDir()}
	r.cmd.Stderr, r.cmd.Dir = os.Stderr, "/"
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	pipe, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(pipe)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := r.out.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("no private root: %q, %v", line, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", r.cmd.Process.Pid), &st); err != nil {
		t.Fatal(err)
	}
	r.mounts = uint32(st.Ino)
	return r
}

// run runs a script to its end.
func (r *privateRoot) run(script string) error {
	if _, err := r.in.Write(append([]byte(script), 0)); err != nil {
		return err
	}
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	var answer struct{ Error, Output string }
	if err := json.Unmarshal(line, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("%s: %s", answer.Error, answer.Output)
	}
	return nil
}

func (r *privateRoot) close(t *testing.T) {
	t.Helper()
	r.in.Close()
	if err := r.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func descends(ev *event.Event, pid uint32) bool {
	return ev.Process != nil && slices.ContainsFunc(ev.Process.Ancestors, func(p *event.Process) bool { return p.PID == pid })
}

func example(f *finding.Finding) string {
	s := string(f.Data)
	if f.Process != nil {
		s += " by " + f.Process.Executable + " " + strings.Join(f.Process.Args, " ")
		if len(f.Process.Ancestors) > 0 {
			s += " started by " + f.Process.Ancestors[0].Executable
		}
	}
	return s[:min(len(s), 400)]
}

func report(t *testing.T, results []*result, wall time.Duration) string {
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	f("# Noise: what ordinary work raises\n\nOrdinary work is done for real in a private copy of a machine's root (Debian), while the sensor and all rules that are on by default watch it.\n")
	f("`make noise` repeats it and writes this page. The scripts are in `test/noise/workloads`.\n\n")
	f("Done %d times, each time in a fresh root, with pauses of %v: %.0f minutes in all, on %s.\n\n", results[0].Rounds, pause, wall.Minutes(), time.Now().Format(time.DateOnly))
	f("| Work | Seconds | Events | Info | Low | Medium | High | Critical |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var total [5]int
	events := 0
	var took time.Duration
	for _, r := range results {
		var n [5]int
		for _, list := range r.Findings {
			n[list[0].Severity] += len(list)
			total[list[0].Severity] += len(list)
		}
		events += r.Events
		took += r.Took
		f("| %s: %s | %.0f | %d | %d | %d | %d | %d | %d |\n", r.Name, r.Does, r.Took.Seconds(), r.Events, n[0], n[1], n[2], n[3], n[4])
	}
	f("| **all** | %.0f | %d | %d | %d | %d | %d | %d |\n", took.Seconds(), events, total[0], total[1], total[2], total[3], total[4])
	f("\n## What was found\n\n")
	if total == [5]int{} {
		f("Nothing. That the harness sees at all is proven first: a reading of /etc/shadow must be found.\n")
	}
	for _, r := range results {
		for _, id := range slices.Sorted(maps.Keys(r.Findings)) {
			list := r.Findings[id]
			f("- %s: [%s](rules/%s.md) (%s), %d times\n", r.Name, id, id, list[0].Severity, len(list))
			t.Logf("%s: %s ×%d: %s", r.Name, id, len(list), example(list[0]))
		}
	}
	return b.String()
}
