package app

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/table"
)

type silencesCmd struct {
	List    silencesListCmd    `cmd:"" help:"List silences."`
	Add     silencesAddCmd     `cmd:"" help:"Hold notifications back for a while."`
	Preview silencesPreviewCmd `cmd:"" help:"Show what a silence would have hidden."`
	Expire  silencesExpireCmd  `cmd:"" help:"End silences."`
}

// silence is one as the API gives it.
type silence struct {
	ID      string         `json:"id"`
	Match   map[string]any `json:"match"`
	Start   time.Time      `json:"start"`
	End     time.Time      `json:"end"`
	Author  string         `json:"author"`
	Comment string         `json:"comment"`
	State   string         `json:"state"`
}

type silencesListCmd struct {
	Expired bool `help:"Those that have ended, too."`
	server
	output
}

func (silencesListCmd) Help() string {
	return `Example:
  tocsin silences list --expired -o json`
}

func (c *silencesListCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var res struct {
		Silences []silence `json:"silences"`
	}
	if err := api.Get(e.ctx, "/silences", url.Values{"expired": {fmt.Sprint(c.Expired)}}, &res); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, res.Silences)
	}
	if len(res.Silences) == 0 {
		fmt.Fprintln(e.stderr, "No silences.")
		return nil
	}
	t := table.New(e.stdout, table.Column{Title: "ID"}, table.Column{Title: "STATE"}, table.Column{Title: "ENDS"}, table.Column{Title: "AUTHOR"},
		table.Column{Title: "MATCHES", Flex: true}, table.Column{Title: "COMMENT", Flex: true})
	for _, s := range res.Silences {
		t.Add(table.T(s.ID), table.T(s.State), table.T(s.End.Local().Format("2006-01-02 15:04")), table.T(s.Author), table.T(matchText(s.Match)), table.T(s.Comment))
	}
	return t.Flush()
}

// matchText writes a matcher as on the command line.
func matchText(m map[string]any) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text := fmt.Sprint(m[k])
		if list, ok := m[k].([]any); ok {
			words := make([]string, len(list))
			for i, v := range list {
				words[i] = fmt.Sprint(v)
			}
			text = strings.Join(words, ",")
		}
		parts = append(parts, k+"="+text)
	}
	return strings.Join(parts, " ")
}

// silenceMatch is the argument that says what a silence holds back.
type silenceMatch struct {
	Match []string `arg:"" help:"Conditions FIELD=VALUE, which must all hold: rule, host, container, namespace, severity, …"`
}

func (m silenceMatch) document() (map[string]any, error) {
	q, err := alertFilter{Match: m.Match}.query()
	if err != nil {
		return nil, err
	}
	doc := map[string]any{}
	for k, values := range q {
		var list []string
		for _, v := range values {
			list = append(list, strings.Split(v, ",")...)
		}
		if len(list) == 1 {
			doc[k] = list[0]
		} else {
			doc[k] = list
		}
	}
	return doc, nil
}

type silencesAddCmd struct {
	silenceMatch
	For     time.Duration `default:"2h" help:"For how long."`
	Comment string        `short:"m" help:"Why." placeholder:"TEXT"`
	server
	output
}

func (silencesAddCmd) Help() string {
	return `Findings and alerts are still recorded; people are not told. A rise in severity or a new technique breaks through.

Example:
  tocsin silences add rule=shell_in_container host=web-1 --for 4h -m 'debugging ticket 123'`
}

func (c *silencesAddCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	match, err := c.document()
	if err != nil {
		return err
	}
	var out silence
	body := map[string]any{"match": match, "for": c.For.String(), "comment": c.Comment}
	if _, err := api.Send(e.ctx, http.MethodPost, "/silences", nil, body, &out); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, out)
	}
	_, err = fmt.Fprintf(e.stdout, "%s holds back %s until %s\n", out.ID, matchText(out.Match), stamp(out.End))
	return err
}

type silencesPreviewCmd struct {
	silenceMatch
	Since string `default:"24h" help:"Look back that far."`
	server
	output
}

func (silencesPreviewCmd) Help() string {
	return `Example:
  tocsin silences preview rule=shell_in_container 'host=web-*' --since 7d`
}

func (c *silencesPreviewCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	match, err := c.document()
	if err != nil {
		return err
	}
	var out struct {
		Findings  int            `json:"findings"`
		Scanned   int            `json:"scanned"`
		Truncated bool           `json:"truncated"`
		Severity  map[string]int `json:"severity"`
		Rules     map[string]int `json:"rules"`
		Alerts    []any          `json:"alerts"`
		Refused   string         `json:"refused,omitempty"`
	}
	body := map[string]any{"match": match, "for": "1h", "comment": "preview"}
	if _, err := api.Send(e.ctx, http.MethodPost, "/silences/preview?since="+url.QueryEscape(c.Since), nil, body, &out); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, out)
	}
	fmt.Fprintf(e.stdout, "In the last %s it would have held back %s of %d.\n", c.Since, plural(out.Findings, "finding"), out.Scanned)
	for _, counts := range []map[string]int{out.Severity, out.Rules} {
		for _, k := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(e.stdout, "  %-32s %d\n", k, counts[k])
		}
	}
	if out.Refused != "" {
		fmt.Fprintf(e.stdout, "Such a silence is refused: %s\n", out.Refused)
	}
	return nil
}

type silencesExpireCmd struct {
	IDs []string `arg:"" name:"id" help:"Ids of silences."`
	server
	output
}

func (silencesExpireCmd) Help() string {
	return `Example:
  tocsin silences expire s-T6DSXMKOGOCJGH5H`
}

func (c *silencesExpireCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	for _, id := range c.IDs {
		if _, err := api.Send(e.ctx, http.MethodDelete, "/silences/"+url.PathEscape(id), nil, nil, nil); err != nil {
			return err
		}
		if !c.json() {
			fmt.Fprintf(e.stdout, "%s ended\n", id)
		}
	}
	if c.json() {
		return writeJSON(e.stdout, map[string][]string{"ended": c.IDs})
	}
	return nil
}
