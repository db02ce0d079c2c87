package simulate_test

import (
	"context"
	"errors"
	"os"
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
