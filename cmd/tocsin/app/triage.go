package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-io/tocsin/cmd/internal/client"
	"github.com/tocsin-io/tocsin/finding"
)

// alertIDs is the argument of commands that change alerts.
type alertIDs struct {
	IDs []string `arg:"" name:"id" help:"Ids of alerts, or the beginnings of them."`
	server
	output
}

// alertChange is the body of PATCH /alerts/{id}.
type alertChange struct {
	Status   finding.Status `json:"status,omitempty"`
	Reason   finding.Reason `json:"reason,omitempty"`
	Assignee *string        `json:"assignee,omitempty"`
	Note     string         `json:"note,omitempty"`
}

// change applies the same change to all alerts. What cannot be changed is said, and the others are.
func (c alertIDs) change(e *env, change alertChange, done string) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var changed []finding.Alert
	failed := false
	for _, id := range c.IDs {
		a, err := changeAlert(e, api, id, change)
		if err != nil {
			failed = true
			fmt.Fprintf(e.stderr, "tocsin: %s: %v\n", id, err)
			continue
		}
		changed = append(changed, *a)
		if !c.json() {
			fmt.Fprintf(e.stdout, "%s %s: %s\n", shortID(a.ID), done, a.Rule.Name)
		}
	}
	if c.json() {
		if err := writeJSON(e.stdout, changed); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// changeAlert changes one alert as it is now. When it was changed by somebody else in between, it is read again.
func changeAlert(e *env, api *client.Client, id string, change alertChange) (*finding.Alert, error) {
	for try := 0; ; try++ {
		a, err := findAlert(e, api, id)
		if err != nil {
			return nil, err
		}
		header := http.Header{"If-Match": {fmt.Sprintf("%q", fmt.Sprint(a.Version))}}
		var out finding.Alert
		_, err = api.Send(e.ctx, http.MethodPatch, "/alerts/"+url.PathEscape(a.ID), header, change, &out)
		var problem *client.Error
		if errors.As(err, &problem) && problem.Status == http.StatusPreconditionFailed && try < 5 {
			continue
		}
		return &out, err
	}
}

type alertsAckCmd struct {
	alertIDs
	Assignee *string `help:"Who takes care of it." placeholder:"NAME"`
	Note     string  `short:"m" help:"A note to add." placeholder:"TEXT"`
}

func (alertsAckCmd) Help() string {
	return `Example:
  tocsin alerts ack a-34bd5c36 --assignee ann -m 'looking into it'`
}

func (c *alertsAckCmd) Run(e *env) error {
	return c.change(e, alertChange{Status: finding.Acknowledged, Assignee: c.Assignee, Note: c.Note}, "acknowledged")
}

type alertsCloseCmd struct {
	alertIDs
	Reason string `required:"" enum:"true_positive,false_positive,expected" help:"Why: true_positive, false_positive or expected."`
	Note   string `short:"m" help:"A note to add." placeholder:"TEXT"`
}

func (alertsCloseCmd) Help() string {
	return `Example:
  tocsin alerts close a-34bd5c36 --reason expected -m 'backup job'`
}

func (c *alertsCloseCmd) Run(e *env) error {
	return c.change(e, alertChange{Status: finding.Closed, Reason: finding.Reason(c.Reason), Note: c.Note}, "closed")
}

type alertsNoteCmd struct {
	ID   string   `arg:"" help:"Id of the alert, or the beginning of it."`
	Text []string `arg:"" help:"The note."`
	server
	output
}

func (alertsNoteCmd) Help() string {
	return `Example:
  tocsin alerts note a-34bd5c36 'the same image as last week'`
}

func (c *alertsNoteCmd) Run(e *env) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	a, err := findAlert(e, api, c.ID)
	if err != nil {
		return err
	}
	body := map[string]string{"text": strings.Join(c.Text, " ")}
	if _, err := api.Send(e.ctx, http.MethodPost, "/alerts/"+url.PathEscape(a.ID)+"/notes", nil, body, nil); err != nil {
		return err
	}
	if c.json() {
		return writeJSON(e.stdout, map[string]string{"alert": a.ID, "note": body["text"]})
	}
	_, err = fmt.Fprintf(e.stdout, "%s noted\n", shortID(a.ID))
	return err
}
