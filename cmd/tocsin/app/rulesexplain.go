package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/logging"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/event"
)

// ruleChoice is the arguments of commands that measure rules.
type ruleChoice struct {
	IDs    []string `arg:"" optional:"" name:"rule" help:"Ids of rules, or a folder or file with rules, which is then all that is looked at; all rules when there is none."`
	Events string   `short:"f" placeholder:"FILE" help:"Recorded events to measure with (tocsin trace --record)."`
	ruleSources
	output
}

// load returns the chosen rules and the recorded events.
func (c ruleChoice) choose(e *env) ([]detect.Rule, []*event.Event, error) {
	var missing error
	c.IDs = slices.DeleteFunc(slices.Clone(c.IDs), func(id string) bool {
		_, err := os.Stat(id)
		if err != nil {
			if strings.ContainsRune(id, os.PathSeparator) { // no id has one
				missing = err
			}
			return false
		}
		c.Rules, c.NoBuiltin = append(c.Rules, id), true
		return true
	})
	if missing != nil {
		return nil, nil, missing
	}
	list, _ := c.loadRules(e)
	if len(c.IDs) > 0 {
		for _, id := range c.IDs {
			if !slices.ContainsFunc(list, func(r detect.Rule) bool { return r.Metadata().ID == id }) {
				return nil, nil, fmt.Errorf("no rule has the id %q (tocsin rules list shows them)", id)
			}
		}
		list = slices.DeleteFunc(list, func(r detect.Rule) bool { return !slices.Contains(c.IDs, r.Metadata().ID) })
	}
	if c.Events == "" {
		return list, nil, nil
	}
	f, err := os.Open(c.Events)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var recorded []*event.Event
	wrong := 0
	_, err = ruletest.Events(e.ctx, f, func(ev *event.Event) error {
		recorded = append(recorded, ev.Clone())
		return nil
	}, func(err error) error {
		if wrong++; wrong > badLinesShown && len(recorded) == 0 {
			return fmt.Errorf("%s: none of its first lines is an event: give a recording (tocsin trace --record FILE makes one)", c.Events)
		}
		fmt.Fprintf(e.stderr, "tocsin: %s: %v\n", c.Events, err)
		return nil
	})
	return list, recorded, err
}

type rulesExplainCmd struct{ ruleChoice }

func (rulesExplainCmd) Help() string {
	return `Shows for each rule what runs in the kernel, what natively, what in OPA, and why; with recorded events also how many
pass each condition, and what asking costs.

Examples:
  tocsin rules explain container_runtime_socket
  tocsin rules explain ./my-rules -f events.jsonl
  tocsin rules explain --rules ./my-rules my_rule`
}

func (c *rulesExplainCmd) Run(e *env) error {
	list, recorded, err := c.choose(e)
	if err != nil {
		return err
	}
	found, err := detect.Explain(list, recorded)
	if err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, found)
	}
	for i, x := range found {
		if i > 0 {
			fmt.Fprintln(e.stdout)
		}
		if err := explain(e, x, len(recorded) > 0); err != nil {
			return err
		}
	}
	return nil
}

func explain(e *env, x detect.Explanation, recorded bool) error {
	_, color := table.Terminal(e.stdout)
	name := x.ID
	if color {
		name = "\x1b[1m" + name + "\x1b[0m"
	}
	fmt.Fprintf(e.stdout, "%s  %s\n", name, x.Name)
	if x.Go {
		kind := "written in Go"
		if strings.HasSuffix(x.File, ".wasm") {
			kind = "a WebAssembly module"
		}
		fmt.Fprintf(e.stdout, "  %s: asked about every event that passes\n", kind)
	}
	if x.Address != "" {
		fmt.Fprintf(e.stdout, "  reads socket addresses as %s\n", map[string]string{"text": "text", "object": "objects"}[x.Address])
	}
	confirm := map[string]string{"plan": "OPA's plan, compiled", "opa": "OPA's evaluator"}[x.Confirm]
	if confirm != "" {
		fmt.Fprintf(e.stdout, "  candidates are confirmed by %s%s\n", confirm, prefixed(": ", x.ConfirmWhy))
	}
	for _, ev := range x.Events {
		fmt.Fprintf(e.stdout, "\n  %s\n", ev.Event)
		if ev.Never {
			fmt.Fprintln(e.stdout, "    never matches an event of this kind")
			continue
		}
		kernel := ev.Kernel
		if kernel == "" {
			kernel = "every occurrence"
		}
		fmt.Fprintf(e.stdout, "    kernel  %s\n", kernel)
		measured := ev.Seen > 0
		for i, alternative := range ev.Alternatives {
			label := "native"
			if i > 0 {
				label = "or"
			}
			for _, cond := range alternative {
				text := cond.Text
				if measured && !x.Go {
					text = fmt.Sprintf("%-60s %d of %d, %.0f ns", text, cond.Holds, ev.Seen, cond.Nanos)
				}
				fmt.Fprintf(e.stdout, "    %-7s %s\n", label, text)
				label = "  and"
			}
		}
		if ev.Exact {
			fmt.Fprintln(e.stdout, "            exact: what passes matches")
		}
		for i, left := range ev.LeftOut {
			label := ""
			if i == 0 {
				label = "OPA"
			}
			fmt.Fprintf(e.stdout, "    %-7s %s\n", label, left)
		}
		switch {
		case measured:
			fmt.Fprintf(e.stdout, "    events  %d selected → %d past the kernel → %d candidates → %d matches\n", ev.Seen, ev.Kept, ev.Candidates, ev.Matches)
		case recorded:
			fmt.Fprintln(e.stdout, "    events  none in the recording")
		}
	}
	return nil
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

type rulesBenchCmd struct {
	ruleChoice
	Effort time.Duration `default:"50ms" help:"Time for each measurement."`
}

func (rulesBenchCmd) Help() string {
	return `Measures the CPU time of rules for one event, of the whole set and of each rule, on recorded events.

Examples:
  sudo tocsin trace -e 'security_*' -e sched_process_exec --record events.jsonl -o none --duration 1m
  tocsin rules bench -f events.jsonl`
}

func (c *rulesBenchCmd) Run(e *env) error {
	if c.Events == "" {
		return usagef("name a recording with -f (tocsin trace --record FILE makes one)")
	}
	list, recorded, err := c.choose(e)
	if err != nil {
		return err
	}
	var costs []detect.Cost
	progress := !c.json() && logging.IsTerminal(e.stderr)
	err = detect.Bench(list, recorded, c.Effort, func(cost detect.Cost) {
		costs = append(costs, cost)
		if progress {
			fmt.Fprintf(e.stderr, "\rmeasured %d of %d ", len(costs), len(list)+1)
		}
	})
	if progress {
		fmt.Fprint(e.stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, costs)
	}
	slices.SortStableFunc(costs, func(a, b detect.Cost) int {
		switch {
		case a.ID == "" || b.ID != "" && a.Nanos > b.Nanos:
			return -1
		case b.ID == "" || a.Nanos < b.Nanos:
			return 1
		}
		return 0
	})
	t := table.New(e.stdout, table.Column{Title: "RULE"}, table.Column{Title: "NS/EVENT", Right: true}, table.Column{Title: "ALLOCS/EVENT", Right: true}, table.Column{Title: "MATCHES", Right: true})
	for _, x := range costs {
		id := table.T(x.ID)
		if x.ID == "" {
			id = table.Cell{Text: fmt.Sprintf("all %d", len(list)), Style: table.Bold}
		}
		t.Add(id, table.T(fmt.Sprintf("%.0f", x.Nanos)), table.T(fmt.Sprintf("%.2f", x.Allocs)), table.T(fmt.Sprint(x.Matches)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\n%s, CPU time\n", plural(len(recorded), "recorded event"))
	return err
}
