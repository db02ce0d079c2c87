package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/kernel"
)

var update = flag.Bool("update", false, "keep what the kernels showed: results/*.jsonl, from which docs/events.md is generated")

// A suite is one test package and what it needs in the guest.
type suite struct {
	pkg      string
	runc     bool   // the container runtime
	module   string // a kernel module to load, where the kernel's package has it
	rootkit  bool   // the module that changes the kernel as rootkits do
	programs bool   // the programs of cmd/, built before
	units    bool   // systemd, and the units of those programs
	only     string // -test.run
	long     bool   // only when TOCSIN_TEST_KERNELS asks for kernels: emulation takes minutes
	memory   int    // MiB
	timeout  time.Duration
}

var suites = []suite{
	{pkg: "bpf", runc: true, module: "dummy", rootkit: true, memory: 1024, timeout: 25 * time.Minute},
	{pkg: "simulate", runc: true, module: "dummy", rootkit: true, memory: 1536, timeout: 10 * time.Minute},
	{pkg: "test/e2e", runc: true, programs: true, only: "TestTutorial", memory: 3072, timeout: 10 * time.Minute},
	{pkg: "test/e2e", runc: true, programs: true, only: "TestSimulate|TestTwoProcesses|TestBrokenRule", memory: 3072, timeout: 20 * time.Minute, long: true},
	{pkg: "test/e2e", programs: true, units: true, only: "^TestUnits$", memory: 3072, timeout: 20 * time.Minute, long: true},
	{pkg: "cmd/internal/sensor", only: "TestFiltersInTheKernel", memory: 2048, timeout: 15 * time.Minute, long: true},
	{pkg: "test/faults", programs: true, only: "TestClockJumps", memory: 2048, timeout: 5 * time.Minute},
}

// newest is the kernel whose verifier is the newest. The short form only has it load everything.
const newest = "7"

var loads = []suite{{pkg: "bpf", only: "^TestLoad$", memory: 1024, timeout: 25 * time.Minute}}

func TestKernels(t *testing.T) {
	if err := kernel.Check(); err != nil {
		t.Skip(err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	names := os.Getenv("TOCSIN_TEST_KERNELS")
	long := names != ""
	if !long {
		names = "6.1," + newest
	}
	if names == "all" {
		names = strings.Join(kernel.Names(), ",")
	}
	for _, name := range strings.Split(names, ",") {
		t.Run(name, func(t *testing.T) {
			cache := os.Getenv("TOCSIN_CACHE")
			if cache == "" {
				cache = filepath.Join(root, ".cache")
			}
			img, err := kernel.Fetch(t.Context(), name, cache, os.Stderr)
			if errors.Is(err, kernel.ErrMissing) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			list := suites
			if name == newest && !long {
				list = loads
			}
			for _, s := range list {
				if s.long && !long || img.Arch != "" && s.pkg != "bpf" {
					continue // the programs around the sensor know no architecture
				}
				if *update {
					if s.pkg != "bpf" {
						continue
					}
					s.only = "^(TestHooks|TestEvasions|TestUsermodeHelper)$"
				}
				t.Run(s.pkg, func(t *testing.T) { run(t, root, name, img, s) })
			}
		})
	}
}

func run(t *testing.T, root, name string, img kernel.Image, s suite) {
	dir := t.TempDir()
	job := kernel.Job{
		Program: filepath.Join(dir, "program"),
		Args:    []string{"-test.v=test2json", "-test.timeout=" + s.timeout.String(), "-test.paniconexit0", "-test.run=" + s.only},
		Env:     []string{"VMTEST_KERNEL=" + name, "CI=" + os.Getenv("CI")},
		Dir:     filepath.Join(root, s.pkg),
		Files:   map[string]string{},
		Memory:  s.memory,
		Timeout: s.timeout + time.Minute,
	}
	build(t, root, img.Arch, "test", "-c", "-o", job.Program, "./"+s.pkg)
	if _, err := os.Stat(job.Program); err != nil {
		t.Fatalf("./%s has no tests", s.pkg)
	}
	if td := filepath.Join(job.Dir, "testdata"); exists(td) {
		job.Files[td] = td
	}
	if s.runc && img.Arch == "" { // this machine's
		runc, err := exec.LookPath("runc")
		if err != nil {
			t.Skip("needs runc: install the package runc")
		}
		job.Files["/usr/bin/runc"] = runc
	}
	if s.module != "" {
		ko, err := img.Module(t.Context(), s.module, dir)
		if err != nil {
			t.Logf("no kernel module: %v", err)
		} else {
			job.Files["/modules/"+s.module+".ko"] = ko
		}
	}
	if s.rootkit {
		ko, err := img.Build(t.Context(), filepath.Join(root, "test/kernel/module"), dir, os.Stderr)
		if errors.Is(err, kernel.ErrMissing) {
			t.Logf("no kernel module that changes the kernel: %v", err)
		} else if err != nil {
			t.Fatal(err)
		} else {
			job.Files["/modules/"+filepath.Base(ko)] = ko
		}
	}
	if s.programs {
		build(t, root, img.Arch, "build", "-ldflags=-s -w", "-o", dir+"/bin/", "./cmd/...")
		job.Files["/usr/bin"] = filepath.Join(dir, "bin")
		job.Env = append(job.Env, "TOCSIN_BIN=/usr/bin")
	}
	if s.units {
		job.Systemd = true
		job.Files["/etc/systemd/system"] = filepath.Join(root, "deployments/systemd")
	}
	var out bytes.Buffer
	job.Output = &out
	code, err := kernel.Run(t.Context(), img, job)
	if errors.Is(err, kernel.ErrMissing) {
		t.Skip(err) // the emulator of another architecture
	}
	results := decode(t, &out)
	results.report(t)
	if *update && s.pkg == "bpf" {
		if err := results.save(filepath.Join(root, "test/kernel/matrix/results", name+".jsonl"), name); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Error(err)
	} else if code != 0 && results.failed == 0 {
		t.Errorf("exit code %d, though no test failed:\n%s", code, results.rest.String())
	}
}

// TestThisKernel runs the same test of every hook on the kernel at hand, where what it shows is to be kept.
func TestThisKernel(t *testing.T) {
	if !*update {
		t.Skip("./bpf tests it; with -update its results are kept")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1", "-run=^(TestHooks|TestEvasions)$", "./bpf")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("go test: %v", err)
	}
	r := decodeJSON(t, out)
	r.report(t)
	if err := r.save(filepath.Join(root, "test/kernel/matrix/results/this.jsonl"), "this"); err != nil {
		t.Error(err)
	}
}

func build(t *testing.T, root, arch string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// results are the tests of one run in the order of their start.
type results struct {
	order  []string
	tests  map[string]*result
	rest   strings.Builder
	failed int
}

type result struct {
	action string
	output strings.Builder
	parent bool
	attrs  map[string][]string
}

// decode reads what a test binary printed with -test.v=test2json.
func decode(t *testing.T, raw io.Reader) *results {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json")
	cmd.Stdin = raw
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("go tool test2json: %v", err)
	}
	return decodeJSON(t, text)
}

func decodeJSON(t *testing.T, text []byte) *results {
	t.Helper()
	r := &results{tests: map[string]*result{}}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var e struct{ Action, Test, Output, Key, Value string }
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return r
		} else if err != nil {
			t.Fatalf("read test2json: %v", err)
		}
		if e.Test == "" {
			r.rest.WriteString(e.Output)
			continue
		}
		one := r.tests[e.Test]
		if one == nil {
			one = &result{attrs: map[string][]string{}}
			r.tests[e.Test] = one
			r.order = append(r.order, e.Test)
			if i := strings.LastIndexByte(e.Test, '/'); i > 0 && r.tests[e.Test[:i]] != nil {
				r.tests[e.Test[:i]].parent = true
			}
		}
		switch e.Action {
		case "attr":
			one.attrs[e.Key] = append(one.attrs[e.Key], e.Value)
		case "output":
			one.output.WriteString(e.Output)
		case "pass", "fail", "skip":
			one.action = e.Action
			if e.Action == "fail" {
				r.failed++
			}
		}
	}
}

func (r *results) report(t *testing.T) {
	for _, name := range r.order {
		one := r.tests[name]
		if one.parent && one.action != "fail" {
			continue // its subtests speak for it
		}
		t.Run(name, func(t *testing.T) {
			switch one.action {
			case "pass":
			case "skip":
				t.Skip(said(one.output.String()))
			case "fail":
				t.Errorf("\n%s", one.output.String())
			default:
				r.failed++
				t.Errorf("ran when the kernel stopped\n%s\n%s", one.output.String(), r.rest.String())
			}
		})
	}
	if len(r.order) == 0 {
		t.Errorf("no test ran:\n%s", r.rest.String())
	}
}

// save keeps what the tests of hooks and evasions showed, for docs/events.md.
func (r *results) save(file, kernelName string) error {
	k := Kernel{Name: kernelName}
	if top := r.tests["TestHooks"]; top != nil && len(top.attrs["release"]) > 0 {
		k.Release = top.attrs["release"][0]
	}
	at := map[string]int{} // by test of a hook
	for _, name := range r.order {
		one, parts := r.tests[name], strings.SplitN(name, "/", 4)
		evasion := parts[0] == "TestEvasions"
		if parts[0] != "TestHooks" && parts[0] != "TestUsermodeHelper" && !evasion {
			continue
		}
		switch len(parts) {
		case 2: // an event: why hooks cannot be used
			for _, kind := range slices.Sorted(maps.Keys(one.attrs)) {
				if !evasion {
					k.Results = append(k.Results, Result{Event: parts[1], Hook: kind, Outcome: Unusable, Reason: one.attrs[kind][0]})
				}
			}
		case 3: // a hook
			hook, _, _ := strings.Cut(parts[2], "#")
			res := Result{Event: parts[1], Hook: hook, Outcome: one.action, Target: first(one.attrs["target"]), User: one.attrs["user"]}
			if evasion {
				of := r.tests[parts[0]+"/"+parts[1]].attrs
				res.Event, res.Attack, res.Seen = first(of["event"]), first(of["attack"]), first(of["seen"])
				res.Evasion = strings.ReplaceAll(parts[1], "_", " ")
			}
			if one.action == "skip" {
				res.Reason = said(one.output.String())
			}
			at[name] = len(k.Results)
			k.Results = append(k.Results, res)
		case 4: // a trigger
			if i, ok := at[strings.Join(parts[:3], "/")]; ok {
				k.Results[i].User = append(k.Results[i].User, one.attrs["user"]...)
				if one.action == "skip" {
					k.Results[i].Reason = said(one.output.String())
				}
			}
		}
	}
	return k.write(file)
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

var whereInTest = regexp.MustCompile(`^\w+_test\.go:\d+: `)

// said is the reason that a test gave for being skipped.
func said(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			lines = append(lines, whereInTest.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(slices.Compact(lines), " ")
}
