package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/simulate"
	"github.com/tocsin-io/tocsin/test/harness"
)

// read runs a command that prints JSON.
func read(t *testing.T, into any, args ...string) {
	t.Helper()
	out, diag, code := harness.Command(t, "tocsin", append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("tocsin %s: exit code %d, %v\n%s%s", strings.Join(args, " "), code, err, out, diag)
	}
}

// visible returns the built-in rules that are on and have an event that this kernel shows.
func visible(t *testing.T) map[string]bool {
	t.Helper()
	var events []struct{ Name, Hook string }
	read(t, &events, "events")
	hooked := map[string]bool{}
	for _, e := range events {
		hooked[e.Name] = e.Hook != ""
	}
	var rules []struct {
		ID        string
		Disabled  bool
		Selectors []struct{ Name string }
	}
	read(t, &rules, "rules", "list")
	seen := map[string]bool{}
	for _, r := range rules {
		for _, s := range r.Selectors {
			seen[r.ID] = seen[r.ID] || !r.Disabled && hooked[s.Name]
		}
	}
	return seen
}

// Every built-in rule, triggered for real, makes its alert: at the API, where simulate looks,
// and at the webhook.
func TestSimulate(t *testing.T) {
	harness.NeedRoot(t)
	can := visible(t)
	args := []string{"simulate", "--wait", (10 * time.Second * harness.Slow()).String()}
	for _, sim := range simulate.All() {
		if sim.Module { // package simulate runs them in a kernel of their own, with the module
			continue
		}
		if sim.Untriggerable != "" || !can[sim.Rule] {
			t.Logf("not run: %s is off, or this kernel does not show its events, or %q", sim.Rule, sim.Untriggerable)
			continue
		}
		if err := sim.Check(); err != nil {
			t.Run(sim.Rule, func(t *testing.T) { t.Skip(err) })
			continue
		}
		args = append(args, sim.Rule)
	}
	hook := harness.NewWebhook(t)
	n := newSetup(t, everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook")).run(t)
	var results []struct {
		Rule, Error         string
		Triggered, Detected bool
	}
	read(t, &results, append(args, "--server", n.url)...)
	sent := map[string]bool{}
	harness.Eventually(t, 15*time.Second*harness.Slow(), func() error {
		for _, r := range hook.Accepted() {
			for _, f := range notification(t, r).Findings {
				sent[f.Rule.ID] = true
			}
		}
		if i := slices.IndexFunc(args[3:], func(rule string) bool { return !sent[rule] }); i >= 0 && !n.Exited() {
			return fmt.Errorf("%w: no alert of %s at the webhook", harness.ErrNotYet, args[3+i])
		}
		return nil
	})
	for _, r := range results {
		t.Run(r.Rule, func(t *testing.T) {
			if !r.Detected {
				t.Errorf("triggered %v, detected %v: %s", r.Triggered, r.Detected, r.Error)
			}
		})
	}
}

// A new user sees an alert within a minute of starting, with no configuration.
func TestFirstMinute(t *testing.T) {
	harness.NeedRoot(t)
	start := time.Now()
	n := newSetup(t, "").run(t)
	const rule = "fileless_execution"
	if out, diag, code := harness.Command(t, "tocsin", "simulate", rule, "--server", n.url); code != 0 {
		t.Fatalf("tocsin simulate %s: exit code %d\n%s%s", rule, code, out, diag)
	}
	harness.Eventually(t, 20*time.Second*harness.Slow(), func() error {
		if !strings.Contains(n.Stdout(), rule) {
			return harness.ErrNotYet
		}
		return nil
	})
	if took := time.Since(start); took > time.Minute*harness.Slow() {
		t.Errorf("the first alert took %v", took)
	}
}
