package simulate_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/rules"
	"github.com/tocsin-io/tocsin/simulate"
)

func TestMain(m *testing.M) {
	simulate.Main()
	os.Exit(m.Run())
}

func TestEachRuleHasOne(t *testing.T) {
	seen := map[string]bool{}
	impossible := 0
	for _, s := range simulate.All() {
		if seen[s.Rule] {
			t.Errorf("%s has two simulations", s.Rule)
		}
		seen[s.Rule] = true
		if s.Does == "" {
			t.Errorf("%s does not say what it does", s.Rule)
		}
		if s.Untriggerable != "" {
			impossible++
		}
	}
	if impossible > 5 {
		t.Errorf("%d rules cannot be triggered, 5 is the most", impossible)
	}
	for _, f := range rules.Files() {
		if !seen[f.ID] {
			t.Errorf("the rule %s has no simulation", f.ID)
		}
		delete(seen, f.ID)
	}
	for id := range seen {
		t.Errorf("the simulation of %s has no rule", id)
	}
}

// TestCancel cancels one simulation of each kind soon after its start: nothing may stay then either.
func TestCancel(t *testing.T) {
	for _, rule := range []string{"container_runtime_socket", "shell_in_container", "scheduled_task_write", "port_scan", "ptrace_injection", "proc_mem_write"} {
		s, _ := simulate.ByRule(rule)
		t.Run(rule, func(t *testing.T) {
			if err := s.Check(); err != nil {
				t.Skip(err)
			}
			before := leftovers(t)
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if err := s.Run(ctx, simulate.Env{Dir: dir}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			empty(t, dir)
			same(t, before)
		})
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		t.Errorf("left behind: %s", filepath.Join(dir, f.Name()))
	}
}

// leftovers lists what a simulation could leave outside of its directory: mounts, cgroups and processes of this binary.
func leftovers(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "tocsin-simulate-") {
			out["mount "+line] = true
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/docker", "/sys/fs/cgroup/docker"} {
		groups, _ := filepath.Glob(pattern) // the pattern is valid
		for _, g := range groups {
			out["cgroup "+g] = true
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is valid
	for _, p := range procs {
		if exe, err := os.Readlink(p); err == nil && exe == self {
			out["process "+p] = true
		}
	}
	return out
}

// same waits until nothing is there that was not before: what others on this machine start meanwhile ends as well.
func same(t *testing.T, before map[string]bool) {
	t.Helper()
	after := leftovers(t)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); after = leftovers(t) {
		maps.DeleteFunc(after, func(x string, _ bool) bool { return before[x] })
		if len(after) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	for x := range after {
		if !before[x] {
			t.Errorf("left behind: %s", x)
		}
	}
}
