package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/client"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/finding"
)

// server is the flags of commands that ask a running Tocsin.
type server struct {
	Server string `default:"http://127.0.0.1:8700" env:"TOCSIN_SERVER" placeholder:"URL" help:"Where Tocsin's API is. A token is taken from TOCSIN_TOKEN."`
}

func (s server) client() (*client.Client, error) {
	c, err := client.New(s.Server, tokenFromEnvironment())
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

type alertsCmd struct {
	List  alertsListCmd  `cmd:"" help:"List alerts, the latest first."`
	Show  alertsShowCmd  `cmd:"" help:"Show one alert with all that is known."`
	Watch alertsWatchCmd `cmd:"" help:"Show alerts as they come up."`
	Ack   alertsAckCmd   `cmd:"" help:"Acknowledge alerts: somebody takes care."`
	Close alertsCloseCmd `cmd:"" help:"Close alerts, with the reason."`
	Note  alertsNoteCmd  `cmd:"" help:"Add a note to an alert."`
}

// alertFilter is the flags that choose alerts.
type alertFilter struct {
	Match  []string `arg:"" optional:"" help:"Conditions FIELD=VALUE: severity, rule, technique, tactic, host, container, namespace, …; globs, !not, ~regexp, <= and >=."`
	Status []string `help:"Only open, acknowledged or closed ones."`
	Since  string   `help:"Not before: a time, or a duration such as 24h or 7d." placeholder:"TIME"`
	Text   string   `short:"q" help:"Words that must all occur." placeholder:"WORDS"`
}

func (f alertFilter) query() (url.Values, error) {
	q := url.Values{}
	for _, m := range f.Match {
		k, v, ok := strings.Cut(m, "=")
		if !ok || k == "" {
			return nil, usagef("condition %q: write it as FIELD=VALUE, such as severity=high", m)
		}
		// "severity>=high" reads better than "severity=>=high": both are understood.
		if op := k[len(k)-1]; op == '<' || op == '>' {
			k, v = k[:len(k)-1], string(op)+"="+v
		} else if op == '!' {
			k, v = k[:len(k)-1], "!"+v
		}
		q.Add(k, v)
	}
	for _, s := range f.Status {
		q.Add("status", s)
	}
	if f.Since != "" {
		q.Set("since", f.Since)
	}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	return q, nil
}

type alertsListCmd struct {
	server
	alertFilter
	Limit int    `short:"n" default:"50" help:"How many at most, up to 1000."`
	Sort  string `default:"-last_seen" enum:"last_seen,-last_seen,first_seen,-first_seen,severity,-severity,count,-count" help:"Order: last_seen, first_seen, severity or count; - in front for descending."`
	output
}

func (alertsListCmd) Help() string {
	return `Examples:
  tocsin alerts list --status open 'severity>=high'
  tocsin alerts list technique=T1611 --since 24h
  tocsin alerts list -o json | jq '.[].rule.id'`
}

func (c *alertsListCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	q, err := c.query()
	if err != nil {
		return err
	}
	q.Set("limit", fmt.Sprint(c.Limit))
	q.Set("sort", c.Sort)
	var res struct {
		Alerts []finding.Alert `json:"alerts"`
		Next   string          `json:"next"`
	}
	if err := api.Get(e.ctx, "/alerts", q, &res); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, res.Alerts)
	}
	if len(res.Alerts) == 0 {
		fmt.Fprintln(e.stderr, "No alerts.")
		return nil
	}
	t := table.New(e.stdout, table.Column{Title: "ID"}, table.Column{Title: "AGE", Right: true}, table.Column{Title: "SEVERITY"}, table.Column{Title: "STATUS"},
		table.Column{Title: "RULE"}, table.Column{Title: "WHERE"}, table.Column{Title: "COUNT", Right: true}, table.Column{Title: "WHAT", Flex: true})
	for i := range res.Alerts {
		a := &res.Alerts[i]
		t.Add(table.Cell{Text: shortID(a.ID), Style: table.Dim}, table.T(age(a.LastSeen)), severityCell(a.Severity), statusCell(a), table.T(a.Rule.ID),
			table.T(where(a.Container, a.Kubernetes, a.Host)), table.T(fmt.Sprint(a.Count)), table.T(what(a)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if res.Next != "" {
		fmt.Fprintf(e.stderr, "There are more than %d: use --limit, or conditions.\n", c.Limit)
	}
	return nil
}

// shortID is as much of an id as tells alerts apart; every command takes it.
func shortID(id string) string { return id[:min(len(id), 10)] }

func statusCell(a *finding.Alert) table.Cell {
	switch a.Status {
	case finding.Acknowledged:
		return table.Cell{Text: "acked"}
	case finding.Closed:
		return table.Cell{Text: "closed", Style: table.Dim}
	}
	return table.Cell{Text: string(a.Status), Style: table.Bold}
}

// age writes how long ago something was: "17s", "5m", "3h", "12d".
func age(t time.Time) string {
	d := max(0, time.Since(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

type alertsShowCmd struct {
	ID string `arg:"" help:"Id of the alert, or the beginning of it."`
	server
	output
}

func (alertsShowCmd) Help() string {
	return `Examples:
  tocsin alerts show a-34bd5c36
  tocsin alerts show a-34bd5c36 -o json | jq .finding.event`
}

func (c *alertsShowCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	a, err := findAlert(e, api, c.ID)
	if err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, a)
	}
	var log struct{ Deliveries []delivery }
	if err := api.Get(e.ctx, "/alerts/"+url.PathEscape(a.ID)+"/deliveries", nil, &log); err != nil {
		return err
	}
	var said struct{ Notes []note }
	if err := api.Get(e.ctx, "/alerts/"+url.PathEscape(a.ID)+"/notes", nil, &said); err != nil {
		return err
	}
	return showAlert(e.stdout, a, log.Deliveries, said.Notes)
}

// findAlert reads the alert with that id, or the only one whose id begins with it.
func findAlert(e *env, api *client.Client, id string) (*finding.Alert, error) {
	var a finding.Alert
	err := api.Get(e.ctx, "/alerts/"+url.PathEscape(id), nil, &a)
	var problem *client.Error
	if err == nil || !errors.As(err, &problem) || problem.Status != 404 {
		return &a, err
	}
	var found []string
	q := url.Values{"limit": {"1000"}}
	for {
		var res struct {
			Alerts []struct{ ID string }
			Next   string
		}
		if err := api.Get(e.ctx, "/alerts", q, &res); err != nil {
			return nil, err
		}
		for _, x := range res.Alerts {
			if strings.HasPrefix(x.ID, id) {
				found = append(found, x.ID)
			}
		}
		if res.Next == "" || len(found) > 1 {
			break
		}
		q.Set("cursor", res.Next)
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no alert has the id %s (tocsin alerts list shows them)", id)
	case 1:
		return &a, api.Get(e.ctx, "/alerts/"+url.PathEscape(found[0]), nil, &a)
	}
	return nil, fmt.Errorf("several alerts have ids that begin with %s: write more of it", id)
}

type alertsWatchCmd struct {
	server
	alertFilter
	output
}

func (alertsWatchCmd) Help() string {
	return `Examples:
  tocsin alerts watch 'severity>=high'
  tocsin alerts watch -o json | jq .message`
}

func (c *alertsWatchCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	q, err := c.query()
	if err != nil {
		return err
	}
	out := newAlertWriter(e.stdout, c.json())
	if !c.json() {
		fmt.Fprintln(e.stderr, "Waiting for alerts. Ctrl-C ends it.")
	}
	last := ""
	for wait := time.Second; ; {
		err := api.Stream(e.ctx, "/stream", q, last, func(ev client.Event) error {
			last, wait = ev.ID, time.Second
			if ev.Name != "" && ev.Name != "alert" {
				return nil
			}
			var a finding.Alert
			if err := json.Unmarshal(ev.Data, &a); err != nil {
				return fmt.Errorf("read alert: %w", err)
			}
			return out.write(&a)
		})
		var problem *client.Error
		if e.ctx.Err() != nil {
			return nil
		}
		if errors.As(err, &problem) || last == "" && err != nil {
			return err
		}
		// The server went away: it may come back, and the stream goes on where it ended.
		fmt.Fprintf(e.stderr, "Connection lost; trying again in %v.\n", wait)
		select {
		case <-e.ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, 30*time.Second)
	}
}
