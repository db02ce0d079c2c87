package simulate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
	"github.com/tocsin-io/tocsin/simulate"
)

var record = flag.Bool("record", false, "write the events that triggered the rules beside the rules")

// watcher collects the findings.
type watcher struct {
	mu     sync.Mutex
	found  map[string]arrival // the first finding of each rule
	arrive chan struct{}
}

func (w *watcher) add(f *finding.Finding) {
	w.mu.Lock()
	if _, ok := w.found[f.Rule.ID]; !ok {
		w.found[f.Rule.ID] = arrival{f, time.Now()}
	}
	w.mu.Unlock()
	select {
	case w.arrive <- struct{}{}:
	default:
	}
}

type arrival struct {
	*finding.Finding
	at time.Time
}

// rootkit is the module that changes the kernel, where the harness brings it into a machine of its own.
const rootkit = "/modules/tocsin_rootkit.ko"

// ours tells whether the event is a descendant's of this process, or the kernel's as a whole.
func ours(ev *event.Event) bool {
	if ev.HostPID == 0 {
		return true
	}
	self := uint32(os.Getpid())
	return ev.Process != nil && slices.ContainsFunc(ev.Process.Ancestors, func(p *event.Process) bool { return p.PID == self })
}

// wait returns the first finding of the rule since the last reset.
func (w *watcher) wait(rule string, timeout time.Duration) (arrival, bool) {
	deadline := time.After(timeout)
	for {
		w.mu.Lock()
		got, ok := w.found[rule]
		w.mu.Unlock()
		if ok {
			return got, true
		}
		select {
		case <-w.arrive:
		case <-deadline:
			return arrival{}, false
		}
	}
}

// reset forgets the findings and returns the rules that made them.
func (w *watcher) reset() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for id := range w.found {
		out = append(out, id)
	}
	slices.Sort(out)
	w.found = map[string]arrival{}
	return out
}

// watch starts a sensor with the built-in rules. It also returns, for each rule none of whose events this kernel can
// show, the reason.
func watch(t *testing.T) (*watcher, map[string]string) {
	t.Helper()
	w := &watcher{found: map[string]arrival{}, arrive: make(chan struct{}, 1)}
	list, errs := detect.Load(detect.Source{FS: rules.FS(), Name: "rules"})
	for _, err := range errs {
		t.Error(err)
	}
	var all []string
	for _, r := range list {
		all = append(all, r.Metadata().ID)
	}
	engine, err := detect.New(detect.Options{Rules: list, Sink: func(h detect.Hit) { w.add(h.Finding()) }, Enable: all})
	if err != nil {
		t.Fatal(err)
	}
	sensor, err := bpf.Open(bpf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mount, hierarchy := sensor.CgroupHierarchy()
	enricher := enrich.New(enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy})
	t.Cleanup(enricher.Close)
	blind := map[string]string{}
	for _, r := range list {
		reason := ""
		for _, sel := range r.Selectors() {
			if c := sensor.Features().Hooks(sel.Name); c.Hook == nil {
				reason = sel.Name + ": " + c.Reason
			} else {
				reason = ""
				break
			}
		}
		if reason != "" {
			blind[r.Metadata().ID] = reason
		}
	}
	if err := sensor.Select(engine.Selections()); err != nil {
		t.Log(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- sensor.Run(ctx, func(ev *event.Event) {
			enricher.Apply(ev)
			if ours(ev) {
				engine.Handle(ev)
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := sensor.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, blind
}

// TestSimulations runs each simulation on the real kernel and waits for the finding of its rule. Nothing may be left
// behind. Without the privilege to see events the simulations are only run.
func TestSimulations(t *testing.T) {
	var w *watcher
	var blind map[string]string
	if err := bpf.CheckPrivileges(); err != nil {
		t.Logf("nothing is detected: %v", err)
	} else {
		w, blind = watch(t)
	}
	var table bytes.Buffer
	untouched := machine(t)
	for _, s := range simulate.All() {
		t.Run(s.Rule, func(t *testing.T) {
			if s.Untriggerable != "" {
				fmt.Fprintf(&table, "%-36s cannot be triggered: %s\n", s.Rule, s.Untriggerable)
				return
			}
			if err := s.Check(); err != nil {
				t.Skip(err)
			}
			e := simulate.Env{Dir: t.TempDir(), Log: t.Logf}
			if s.Module {
				if _, err := os.Stat(rootkit); err != nil {
					t.Skip(simulate.ErrNoModule)
				}
				e.Module = rootkit
			}
			if w != nil {
				w.reset()
			}
			before, start := leftovers(t), time.Now()
			if err := s.Run(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			ran := time.Since(start)
			empty(t, e.Dir)
			same(t, before)
			if reason, ok := blind[s.Rule]; ok {
				fmt.Fprintf(&table, "%-36s ran %.2f s, not seen by this kernel: %s\n", s.Rule, ran.Seconds(), reason)
				t.Skip(reason)
			}
			if w == nil {
				return
			}
			f, ok := w.wait(s.Rule, 3*time.Second)
			if !ok {
				fmt.Fprintf(&table, "%-36s not detected; found %v\n", s.Rule, w.reset())
				t.Fatal("no finding")
			}
			if e, ok := w.wait("tocsin_rule_error", 0); ok {
				t.Logf("a rule failed: %s", e.Message)
			}
			fmt.Fprintf(&table, "%-36s ran %.2f s, detected %.3f s after the event", s.Rule, ran.Seconds(), f.at.Sub(f.Time).Seconds())
			if others := slices.DeleteFunc(w.reset(), func(id string) bool { return id == s.Rule }); len(others) > 0 {
				fmt.Fprintf(&table, ", also %s", strings.Join(others, " "))
				// What the runtime does to start a container is nobody's attack. One simulation enters a namespace itself.
				if s.Rule != "container_capability_use" && slices.Contains(others, "container_namespace_change") {
					t.Error("starting a container raises container_namespace_change")
				}
			}
			table.WriteByte('\n')
			if s.Container != (f.Origin != "host") {
				t.Errorf("the finding is of the %s", f.Origin)
			}
			if s.Container && f.Container == nil {
				t.Error("the finding does not name its container")
			}
			if *record && !t.Failed() {
				save(t, s.Rule, f.Event)
			}
		})
	}
	unchanged(t, untouched)
	t.Logf("\n%s", table.String())
}

// save writes the event beside its rule, without the ancestors that are no part of the simulation.
func save(t *testing.T, rule string, line json.RawMessage) {
	t.Helper()
	ev, err := event.ParseJSON(line)
	if err != nil {
		t.Fatal(err)
	}
	if ev.Process != nil {
		p := *ev.Process
		p.Ancestors = p.Ancestors[:slices.IndexFunc(p.Ancestors, func(a *event.Process) bool { return a.PID == uint32(os.Getpid()) })]
		ev.Process = &p
	}
	for _, f := range rules.Files() {
		if f.ID != rule {
			continue
		}
		path := filepath.Join("..", "rules", strings.TrimSuffix(f.Path, ".rego")+".jsonl")
		if err := os.WriteFile(path, append(ev.AppendJSON(nil), '\n'), 0o644); err != nil {
			t.Error(err)
		}
	}
}
