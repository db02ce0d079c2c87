package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/simulate"
	"github.com/tocsin-io/tocsin/test/harness"
)

// Every built-in rule, triggered for real, makes its alert.
func TestSimulate(t *testing.T) {
	hook := harness.NewWebhook(t)
	s := newSetup(t, everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"))
	n := s.run(t)
	for _, sim := range simulate.All() {
		t.Run(sim.Rule, func(t *testing.T) {
			if sim.Untriggerable != "" {
				t.Skip(sim.Untriggerable)
			}
			if err := sim.Check(); err != nil {
				t.Skip(err)
			}
			out, diag, code := harness.Command(t, "tocsin", "simulate", sim.Rule, "--server", n.url)
			if code != 0 {
				t.Fatalf("tocsin simulate %s: exit code %d\n%s%s", sim.Rule, code, out, diag)
			}
			hook.Wait(t, 15*time.Second, func(r harness.Request) bool {
				return strings.Contains(string(r.Body), `"`+sim.Rule+`"`)
			})
		})
	}
}

// A new user sees an alert within a minute of starting, with no configuration.
func TestFirstMinute(t *testing.T) {
	harness.NeedRoot(t)
	start := time.Now()
	s := newSetup(t, "")
	n := s.run(t)
	sims := simulate.All()
	var rule string
	for _, sim := range sims {
		if sim.Check() == nil && sim.Untriggerable == "" && !sim.Container {
			rule = sim.Rule
			break
		}
	}
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
