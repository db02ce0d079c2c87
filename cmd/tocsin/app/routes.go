package app

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/client"
	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
)

type routesCmd struct {
	Test routesTestCmd `cmd:"" help:"Show where a finding would go, and why."`
}

type routesTestCmd struct {
	Fields []string `arg:"" optional:"" name:"field" help:"Fields of the finding, FIELD=VALUE: severity, rule, technique, host, namespace, …"`
	configFile
	Expect *string       `help:"Exit with 1 unless just these outputs are reached; separated by commas, may be empty." placeholder:"OUTPUTS"`
	At     string        `help:"When: RFC 3339; now by default." placeholder:"TIME"`
	Replay time.Duration `help:"Instead: take the findings of that long from a running Tocsin, and count the notifications." placeholder:"TIME"`
	With   string        `help:"With --replay: a new configuration, to compare -c with." placeholder:"FILE"`
	server
	output
}

func (routesTestCmd) Help() string {
	return `With -c the routes of that file are asked; else a running Tocsin is, which knows the silences.

Examples:
  tocsin routes test severity=critical technique=T1611.001
  tocsin routes test -c tocsin.yaml severity=critical technique=T1611.001
  tocsin routes test -c tocsin.yaml rule=reverse_shell --expect pager,soc
  tocsin routes test -c tocsin.yaml --replay 24h --with new.yaml`
}

func (c *routesTestCmd) Run(e *env) error {
	now := time.Now()
	if c.At != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, c.At); err != nil {
			return usagef("time %q: write it as 2026-11-24T15:04:05Z", c.At)
		}
	}
	switch {
	case c.Replay <= 0 && c.With != "":
		return usagef("--with needs --replay: say of which time the findings are to be taken")
	case c.Replay > 0 && (len(c.Fields) > 0 || c.Expect != nil || c.At != ""):
		return usagef("--replay takes findings that were stored: fields, --expect and --at do not go with it")
	case c.Replay > 0 && c.Config == "": // the defaults have no routes: every count would be 0
		return usagef("--replay needs -c FILE: the configuration whose notifications are counted; --with names a new one to compare it with")
	}
	if c.Replay > 0 {
		table, err := c.table(e, c.Config)
		if err != nil {
			return err
		}
		return c.replay(e, table)
	}
	if len(c.Fields) == 0 {
		return usagef("say what the finding is like: severity=critical technique=T1611")
	}
	values, err := alertFilter{Match: c.Fields}.query()
	if err != nil {
		return err
	}
	f, err := match.Sample(values, now)
	if err != nil {
		return usageError{err}
	}
	trace, err := c.trace(e, now, &f)
	if err != nil {
		return err
	}
	if c.json() {
		if err := writeJSON(e.stdout, trace); err != nil {
			return err
		}
	} else if err := showTrace(e, trace); err != nil {
		return err
	}
	return c.expect(e, trace.Outputs)
}

// trace asks the routes of a file, or those of a running Tocsin.
func (c *routesTestCmd) trace(e *env, now time.Time, f *finding.Finding) (router.Trace, error) {
	if c.Config != "" {
		table, err := c.table(e, c.Config)
		if err != nil {
			return router.Trace{}, err
		}
		return table.Route(now, f, nil), nil
	}
	if c.At != "" {
		return router.Trace{}, usagef("--at needs -c FILE: a running Tocsin says what it would do now")
	}
	api, err := c.client()
	if err != nil {
		return router.Trace{}, err
	}
	var trace router.Trace
	_, err = api.Send(e.ctx, http.MethodPost, "/routes/test", nil, f, &trace)
	return trace, err
}

func (c *routesTestCmd) table(e *env, file string) (*router.Table, error) {
	cfg, err := loadConfig(e, file)
	if err != nil {
		return nil, err
	}
	return routing.Compile(cfg)
}

func (c *routesTestCmd) expect(e *env, got []string) error {
	if c.Expect == nil {
		return nil
	}
	want := strings.FieldsFunc(*c.Expect, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(want)
	if !slices.Equal(want, got) {
		fmt.Fprintf(e.stderr, "tocsin: reached %s, expected %s\n", nameList(got), nameList(want))
		return errFailed
	}
	return nil
}

func nameList(names []string) string {
	if len(names) == 0 {
		return "no output"
	}
	return strings.Join(names, ", ")
}

func showTrace(e *env, tr router.Trace) error {
	t := table.New(e.stdout, table.Column{Title: "ROUTE"}, table.Column{Title: "TAKES IT"}, table.Column{Title: "OUTPUTS"}, table.Column{Title: "WHEN, OR WHY NOT", Flex: true, Wrap: true})
	for _, r := range tr.Routes {
		takes := table.Cell{Text: "no", Style: table.Dim}
		if r.Matched {
			takes = table.Cell{Text: "yes", Style: table.Green}
		}
		t.Add(table.T(r.Route), takes, table.T(strings.Join(r.Outputs, ",")), table.T(strings.Join(nonEmpty(r.When, r.Why), "; ")))
	}
	for _, s := range tr.Suppressed {
		holds := table.Cell{Text: "no", Style: table.Dim}
		if s.Holds {
			holds = table.Cell{Text: "yes", Style: table.Yellow}
		}
		t.Add(table.T(s.Kind+" "+s.Name), holds, table.T(""), table.T(s.Why))
	}
	if t.Len() > 0 {
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(e.stdout, "\nReaches: %s\n", nameList(tr.Outputs))
	return err
}

// replayCount is what one output would have got.
type replayCount struct {
	Output string `json:"output"`
	Now    int    `json:"now"`
	New    *int   `json:"new,omitempty"`
}

func (c *routesTestCmd) replay(e *env, current *router.Table) error {
	var next *router.Table
	if c.With != "" {
		var err error
		if next, err = c.table(e, c.With); err != nil {
			return err
		}
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	findings, err := allFindings(e, api, c.Replay)
	if err != nil {
		return err
	}
	end := time.Now()
	before := countNotifications(current, findings, end)
	var after map[string]int
	if next != nil {
		after = countNotifications(next, findings, end)
	}
	names := map[string]bool{}
	for _, m := range []map[string]int{before, after} {
		for n := range m {
			names[n] = true
		}
	}
	result := []replayCount{}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		r := replayCount{Output: n, Now: before[n]}
		if next != nil {
			count := after[n]
			r.New = &count
		}
		result = append(result, r)
	}
	if c.json() {
		return writeJSON(e.stdout, result)
	}
	t := table.New(e.stdout, table.Column{Title: "OUTPUT"}, table.Column{Title: "NOTIFICATIONS", Right: true}, table.Column{Title: "WITH THE NEW ONE", Right: true}, table.Column{Title: "CHANGE", Right: true})
	for _, r := range result {
		cells := []table.Cell{table.T(r.Output), table.T(fmt.Sprint(r.Now)), {}, {}}
		if r.New != nil {
			cells[2], cells[3] = table.T(fmt.Sprint(*r.New)), table.T(fmt.Sprintf("%+d", *r.New-r.Now))
		}
		t.Add(cells...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\n%s of the last %s. Nothing was sent.\n", plural(len(findings), "finding"), settings.FormatDuration(c.Replay))
	return err
}

// allFindings reads the findings of that long, the oldest first.
func allFindings(e *env, api *client.Client, since time.Duration) ([]finding.Finding, error) {
	var all []finding.Finding
	q := url.Values{"since": {time.Now().Add(-since).UTC().Format(time.RFC3339)}, "limit": {"1000"}}
	for {
		var res struct {
			Findings []finding.Finding `json:"findings"`
			Next     string            `json:"next"`
		}
		if err := api.Get(e.ctx, "/findings", q, &res); err != nil {
			return nil, err
		}
		all = append(all, res.Findings...)
		if res.Next == "" {
			slices.Reverse(all)
			return all, nil
		}
		q.Set("cursor", res.Next)
	}
}

func countNotifications(t *router.Table, findings []finding.Finding, end time.Time) map[string]int {
	counts := map[string]int{}
	for _, o := range t.Outputs() {
		counts[o] = 0
	}
	for _, n := range t.Replay(findings, nil, end) {
		counts[n.Output]++
	}
	return counts
}
