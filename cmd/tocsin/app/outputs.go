package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
)

type outputsCmd struct {
	List outputsListCmd `cmd:"" help:"List the outputs of a running Tocsin: how they do, and what waits for them."`
	Test outputsTestCmd `cmd:"" help:"Send a test notification."`
}

// outputInfo is an output as the API gives it.
type outputInfo struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Target      string `json:"target,omitempty"`
	State       string `json:"state,omitempty"`
	Backlog     uint64 `json:"backlog"`
	Unqueued    int    `json:"unqueued,omitempty"`
	DeadLetters int    `json:"deadLetters"`

	Until   time.Time `json:"until,omitzero"`
	Error   string    `json:"error,omitempty"`
	Removed bool      `json:"removed,omitempty"`
}

// state says in one cell how an output does.
func (o outputInfo) state() table.Cell {
	c := table.Cell{Text: o.State, Style: table.Green}
	if o.State != "ok" && o.State != "" {
		c.Style = table.Red
	}
	if wait := time.Until(o.Until).Round(time.Second); o.State == "down" && wait > 0 {
		c.Text += ", tried again in " + wait.String()
	}
	if o.Removed {
		c.Text = "removed, " + c.Text
	}
	return c
}

type outputsListCmd struct {
	server
	output
}

func (outputsListCmd) Help() string {
	return `Example:
  tocsin outputs list -o json | jq '.[] | select(.deadLetters > 0)'`
}

func (c *outputsListCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var res struct {
		Outputs []outputInfo `json:"outputs"`
	}
	if err := api.Get(e.ctx, "/outputs", nil, &res); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, res.Outputs)
	}
	if len(res.Outputs) == 0 {
		fmt.Fprintln(e.stderr, "No outputs are configured: see docs/outputs.md.")
		return nil
	}
	t := table.New(e.stdout, table.Column{Title: "OUTPUT"}, table.Column{Title: "TYPE"}, table.Column{Title: "STATE"},
		table.Column{Title: "WAITING", Right: true}, table.Column{Title: "DEAD", Right: true}, table.Column{Title: "TARGET", Flex: true})
	for _, o := range res.Outputs {
		t.Add(table.T(o.Name), table.T(o.Type), o.state(), table.T(fmt.Sprint(o.Backlog+uint64(o.Unqueued))), table.T(fmt.Sprint(o.DeadLetters)), table.T(o.Target))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, o := range res.Outputs {
		if o.Error != "" {
			fmt.Fprintf(e.stdout, "\n%s: %s\n", o.Name, o.Error)
		}
	}
	return nil
}

type outputsTestCmd struct {
	Names []string `arg:"" optional:"" name:"output" help:"Outputs; all of the configuration when there is none."`
	configFile
	server
	output
}

func (outputsTestCmd) Help() string {
	return `With -c the notification is sent from here, with the settings of that file; else a running Tocsin sends it.

Examples:
  tocsin outputs test -c tocsin.yaml
  tocsin outputs test soc pager`
}

// outputTest is one line of the result.
type outputTest struct {
	Output  string  `json:"output"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

func (c *outputsTestCmd) Run(e *env) error {
	send, names, err := c.sender(e)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no outputs are configured")
	}
	var results []outputTest
	failed := false
	for _, name := range names {
		began := time.Now()
		err := send(name)
		r := outputTest{Output: name, OK: err == nil, Seconds: time.Since(began).Seconds()}
		if err != nil {
			r.Error, failed = err.Error(), true
		}
		results = append(results, r)
		if c.json() {
			continue
		}
		if err != nil {
			fmt.Fprintf(e.stdout, "%s: FAILED: %v\n", name, err)
		} else {
			fmt.Fprintf(e.stdout, "%s: taken in %.2f s\n", name, r.Seconds)
		}
	}
	if c.json() {
		if err := writeJSON(e.stdout, results); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// sender returns what sends to an output, and which outputs to try.
func (c *outputsTestCmd) sender(e *env) (send func(string) error, names []string, err error) {
	if c.Config != "" {
		cfg, err := c.load(e)
		if err != nil {
			return nil, nil, err
		}
		if names = c.Names; len(names) == 0 {
			names = slices.Sorted(maps.Keys(cfg.Outputs))
		}
		return func(name string) error { return routing.TestOutput(e.ctx, cfg, name, nil) }, names, nil
	}
	api, err := c.client()
	if err != nil {
		return nil, nil, err
	}
	if names = c.Names; len(names) == 0 {
		var res struct {
			Outputs []outputInfo `json:"outputs"`
		}
		if err := api.Get(e.ctx, "/outputs", nil, &res); err != nil {
			return nil, nil, err
		}
		for _, o := range res.Outputs {
			if !o.Removed {
				names = append(names, o.Name)
			}
		}
	}
	return func(name string) error {
		_, err := api.Send(e.ctx, http.MethodPost, "/outputs/"+url.PathEscape(name)+"/test", nil, nil, nil)
		return err
	}, names, nil
}

type deadLettersCmd struct {
	List  deadLettersListCmd  `cmd:"" help:"List notifications that were given up, with the reason."`
	Show  deadLettersShowCmd  `cmd:"" help:"Show the whole notification that was given up, as JSON."`
	Retry deadLettersRetryCmd `cmd:"" help:"Send them again."`
}

// deadLetter is one as the API gives it.
type deadLetter struct {
	ID       string    `json:"id"`
	Output   string    `json:"output"`
	Alert    string    `json:"alert,omitempty"`
	Route    string    `json:"route,omitempty"`
	Kind     string    `json:"kind"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	Retries  int       `json:"retries,omitempty"`
	Error    string    `json:"error,omitempty"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

type deadLettersListCmd struct {
	Outputs []string `arg:"" optional:"" name:"output" help:"Outputs; all when there is none."`
	Limit   int      `short:"n" default:"100" help:"How many at most for each output, up to 1000."`
	server
	output
}

func (deadLettersListCmd) Help() string {
	return `Examples:
  tocsin dead-letters list
  tocsin dead-letters list pager -o json`
}

func (c *deadLettersListCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	names := c.Outputs
	if len(names) == 0 {
		var res struct {
			Outputs []outputInfo `json:"outputs"`
		}
		if err := api.Get(e.ctx, "/outputs", nil, &res); err != nil {
			return err
		}
		for _, o := range res.Outputs {
			names = append(names, o.Name)
		}
	}
	letters := []deadLetter{}
	for _, name := range names {
		var res struct {
			Deliveries []deadLetter `json:"deliveries"`
		}
		if err := api.Get(e.ctx, "/outputs/"+url.PathEscape(name)+"/dead-letters", url.Values{"limit": {fmt.Sprint(c.Limit)}}, &res); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		letters = append(letters, res.Deliveries...)
	}
	if c.json() {
		return writeJSON(e.stdout, letters)
	}
	if len(letters) == 0 {
		fmt.Fprintln(e.stderr, "No dead letters.")
		return nil
	}
	t := table.New(e.stdout, table.Column{Title: "ID"}, table.Column{Title: "OUTPUT"}, table.Column{Title: "KIND"}, table.Column{Title: "ALERT"},
		table.Column{Title: "TRIES", Right: true}, table.Column{Title: "AGE", Right: true}, table.Column{Title: "WHY", Flex: true})
	for _, d := range letters {
		t.Add(table.T(d.ID), table.T(d.Output), table.T(d.Kind), table.T(shortID(d.Alert)), table.T(fmt.Sprint(d.Attempts)), table.T(age(d.Created)), table.T(d.Error))
	}
	return t.Flush()
}

type deadLettersShowCmd struct {
	Target string `arg:"" name:"output" help:"The output."`
	ID     string `arg:"" help:"Id of the dead letter."`
	server
}

func (deadLettersShowCmd) Help() string {
	return `Example:
  tocsin dead-letters show pager n-d58bc81f2fdb66e001e7fd32df8cccc3 | jq .alert.rule.id`
}

func (c *deadLettersShowCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var letter json.RawMessage
	if err := api.Get(e.ctx, "/outputs/"+url.PathEscape(c.Target)+"/dead-letters/"+url.PathEscape(c.ID), nil, &letter); err != nil {
		return err
	}
	return writeJSON(e.stdout, letter)
}

type deadLettersRetryCmd struct {
	Target string   `arg:"" name:"output" help:"The output."`
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of dead letters; all of the output when there is none."`
	server
	output
}

func (deadLettersRetryCmd) Help() string {
	return `Examples:
  tocsin dead-letters retry pager
  tocsin dead-letters retry pager n-d58bc81f2fdb66e001e7fd32df8cccc3`
}

func (c *deadLettersRetryCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	body := map[string]any{}
	if len(c.IDs) > 0 {
		body["ids"] = c.IDs
	}
	var res struct {
		Retried int `json:"retried"`
	}
	if _, err := api.Send(e.ctx, http.MethodPost, "/outputs/"+url.PathEscape(c.Target)+"/dead-letters/retry", nil, body, &res); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, res)
	}
	_, err = fmt.Fprintf(e.stdout, "%s in the queue of %s again\n", plural(res.Retried, "notification"), c.Target)
	return err
}
