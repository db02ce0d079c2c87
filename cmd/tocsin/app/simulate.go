package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/client"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/simulate"
)

type simulateCmd struct {
	Rules  []string      `arg:"" optional:"" name:"rule" help:"Rules to trigger; list shows them all."`
	All    bool          `help:"Trigger all that this host can."`
	NoWait bool          `help:"Do not wait for the alerts."`
	Module string        `placeholder:"FILE" help:"The kernel module for rules about changes of the kernel: test/kernel/module of the sources, compiled for this kernel. For a machine of its own."`
	Wait   time.Duration `default:"15s" help:"How long to wait for an alert."`
	server
	output
}

func (simulateCmd) Help() string {
	return `Does for real what a rule is about, in processes, folders and containers of its own, and removes them. Then it waits for
the finding at a running Tocsin. Exits with 1 when a rule was not triggered or not detected.

Examples:
  tocsin simulate list
  sudo tocsin simulate container_runtime_socket
  sudo tocsin simulate --all`
}

// simulation is one line of the result.
type simulation struct {
	Rule      string   `json:"rule"`
	Does      string   `json:"does"`
	Needs     []string `json:"needs,omitempty"`
	Skipped   string   `json:"skipped,omitempty"` // what is missing here
	Triggered bool     `json:"triggered"`
	Detected  bool     `json:"detected"`
	Seconds   float64  `json:"seconds,omitempty"` // from the start to the finding
	Error     string   `json:"error,omitempty"`
}

func (c *simulateCmd) Run(e *env) error {
	if len(c.Rules) == 1 && c.Rules[0] == "list" {
		return c.list(e)
	}
	var chosen []simulate.Simulation
	switch {
	case c.All:
		chosen = simulate.All()
	case len(c.Rules) == 0:
		return usagef("name rules, or use --all (tocsin simulate list shows them)")
	}
	for _, id := range c.Rules {
		s, ok := simulate.ByRule(id)
		if !ok {
			return fmt.Errorf("no simulation of a rule %q (tocsin simulate list shows them)", id)
		}
		chosen = append(chosen, s)
	}
	var api *client.Client
	if !c.NoWait {
		var err error
		if api, err = c.client(); err != nil {
			return err
		}
		// Better to know before anything is done that nobody would see it.
		if err := api.Get(e.ctx, "/findings", url.Values{"limit": {"1"}}, nil); err != nil {
			return fmt.Errorf("%w; --no-wait triggers all the same", err)
		}
		if err := waitReady(e.ctx, api); err != nil {
			return fmt.Errorf("%w; --no-wait triggers all the same", err)
		}
	}
	return c.trigger(e, chosen, api)
}

func (c *simulateCmd) list(e *env) error {
	list := []simulation{}
	for _, s := range simulate.All() {
		x := simulation{Rule: s.Rule, Does: s.Does}
		for _, n := range s.Needs {
			x.Needs = append(x.Needs, n.Name)
		}
		if err := c.check(s); err != nil {
			x.Skipped = err.Error()
		}
		list = append(list, x)
	}
	if c.json() {
		return writeJSON(e.stdout, list)
	}
	t := table.New(e.stdout, table.Column{Title: "RULE"}, table.Column{Title: "HERE"}, table.Column{Title: "WHAT IT DOES", Flex: true, Wrap: true})
	for _, x := range list {
		here := table.Cell{Text: "yes", Style: table.Green}
		if x.Skipped != "" {
			here = table.Cell{Text: "no", Style: table.Yellow}
			x.Does += " (" + x.Skipped + ")"
		}
		t.Add(table.T(x.Rule), here, table.T(x.Does))
	}
	return t.Flush()
}

func (c *simulateCmd) trigger(e *env, chosen []simulate.Simulation, api *client.Client) error {
	results := []simulation{}
	width := 4
	for _, s := range chosen {
		width = max(width, len(s.Rule))
	}
	var t *table.Writer
	if !c.json() {
		t = table.New(e.stdout, table.Column{Title: "RULE", Width: width}, table.Column{Title: "TRIGGERED", Width: 9}, table.Column{Title: "DETECTED", Width: 8},
			table.Column{Title: "SECONDS", Width: 7, Right: true}, table.Column{Title: "", Flex: true})
		if err := t.Header(); err != nil {
			return err
		}
	}
	failed, skipped := 0, 0
	force := inForce(e, api)
	for _, s := range chosen {
		r := simulation{Rule: s.Rule, Does: s.Does, Skipped: force(s.Rule)}
		if r.Skipped == "" {
			r = c.one(e, s, api)
		}
		results = append(results, r)
		switch {
		case r.Skipped != "":
			skipped++
		case !r.Triggered || api != nil && !r.Detected:
			failed++
		}
		if t != nil {
			if err := t.Row(r.cells(api != nil)...); err != nil {
				return err
			}
		}
		if e.ctx.Err() != nil {
			break
		}
	}
	if c.json() {
		if err := writeJSON(e.stdout, results); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(e.stdout, "\n%d passed, %d failed, %d skipped\n", len(results)-failed-skipped, failed, skipped)
	}
	if failed > 0 || len(results) == skipped {
		return errFailed
	}
	return nil
}

// inForce returns what says why a rule cannot find anything at the server, or "".
func inForce(e *env, api *client.Client) func(rule string) string {
	type rule struct {
		ID          string            `json:"id"`
		Events      []string          `json:"events"`
		Unavailable map[string]string `json:"unavailable"`
	}
	var res struct {
		Rules []rule `json:"rules"`
	}
	if api == nil || api.Get(e.ctx, "/rules", nil, &res) != nil { // a router by itself does not know the sensors' rules
		return func(string) string { return "" }
	}
	return func(id string) string {
		i := slices.IndexFunc(res.Rules, func(r rule) bool { return r.ID == id })
		if i < 0 {
			return "the rule is not in force there: off by default, or disabled (tocsin run --enable " + id + ")"
		}
		if r := res.Rules[i]; len(r.Events) > 0 && len(r.Unavailable) == len(r.Events) {
			return fmt.Sprintf("event %s cannot be had on this kernel: %s", r.Events[0], r.Unavailable[r.Events[0]])
		}
		return ""
	}
}

// check says why a simulation cannot run here.
func (c *simulateCmd) check(s simulate.Simulation) error {
	if s.Module && c.Module == "" {
		return fmt.Errorf("%w (--module FILE)", simulate.ErrNoModule)
	}
	return s.Check()
}

// one triggers a rule and waits for its finding.
func (c *simulateCmd) one(e *env, s simulate.Simulation, api *client.Client) simulation {
	r := simulation{Rule: s.Rule, Does: s.Does}
	if err := c.check(s); err != nil {
		r.Skipped = err.Error()
		return r
	}
	began := time.Now()
	if err := s.Run(e.ctx, simulate.Env{Module: c.Module, Log: func(format string, a ...any) { e.log.Info(fmt.Sprintf(format, a...), "rule", s.Rule) }}); err != nil {
		r.Error = err.Error()
		return r
	}
	r.Triggered = true
	if api == nil {
		return r
	}
	ctx, cancel := context.WithTimeout(e.ctx, c.Wait)
	defer cancel()
	at, err := waitFinding(ctx, api, s.Rule, began)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Detected, r.Seconds = true, at.Sub(began).Seconds()
	return r
}

// waitReady returns when the server is ready: one that has just been started answers before its sensor sees anything.
func waitReady(ctx context.Context, api *client.Client) error {
	for end := time.Now().Add(time.Minute); ; {
		err := api.Ready(ctx)
		var not *client.Error
		if !errors.As(err, &not) || not.Status != http.StatusServiceUnavailable || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitFinding returns when the server has a finding of the rule that is not older than since.
func waitFinding(ctx context.Context, api *client.Client, rule string, since time.Time) (time.Time, error) {
	q := url.Values{"rule": {rule}, "since": {since.UTC().Format(time.RFC3339Nano)}, "limit": {"1"}}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		var res struct{ Findings []finding.Finding }
		err := api.Get(ctx, "/findings", q, &res)
		switch {
		case err == nil && len(res.Findings) > 0:
			return time.Now(), nil
		case errors.Is(err, context.DeadlineExceeded):
			return time.Time{}, errors.New("no finding came in time")
		case err != nil:
			return time.Time{}, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return time.Time{}, errors.New("no finding came in time")
		}
	}
}

func (r simulation) cells(waited bool) []table.Cell {
	yes := func(ok bool) table.Cell {
		if ok {
			return table.Cell{Text: "yes", Style: table.Green}
		}
		return table.Cell{Text: "NO", Style: table.Red}
	}
	cells := []table.Cell{table.T(r.Rule), yes(r.Triggered), yes(r.Detected), {}, table.T(first(r.Error, r.Does))}
	switch {
	case r.Skipped != "":
		cells[1], cells[2], cells[4] = table.Cell{Text: "skipped", Style: table.Yellow}, table.Cell{}, table.T(r.Skipped)
	case !waited:
		cells[2] = table.Cell{Text: "-"}
	}
	if r.Detected {
		cells[3] = table.T(fmt.Sprintf("%.2f", r.Seconds))
	}
	return cells
}
