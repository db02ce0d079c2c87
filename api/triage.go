package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/store"
)

// Change is what a request changes of an alert.
type Change struct {
	Status   *finding.Status `json:"status,omitempty" enum:"open,acknowledged,closed"`
	Reason   *finding.Reason `json:"reason,omitempty" enum:"true_positive,false_positive,expected" doc:"why it is closed"`
	Assignee *string         `json:"assignee,omitempty" maxLength:"200"`
	Note     string          `json:"note,omitempty" maxLength:"10000" doc:"a note to add"`
}

func (c *Change) change() store.Change {
	return store.Change{Status: c.Status, Reason: c.Reason, Assignee: c.Assignee, Note: c.Note}
}

// TimelineEntry is one thing that happened to an alert.
type TimelineEntry struct {
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind" enum:"finding,note,change,delivery"`
	Who    string    `json:"who,omitempty"`
	Text   string    `json:"text"`
	Detail any       `json:"detail,omitempty"`
}

const maxBulk = 10_000

func (s *server) triage() {
	huma.Register(s.api, op(http.MethodPatch, "/alerts/{id}", "update-alert", "Acknowledge, close, assign an alert", Triage), func(ctx context.Context, in *struct {
		ByID
		IfMatch string `header:"If-Match" doc:"the ETag of the alert that was read: the change is refused if it is another one now"`
		Body    Change
	},
	) (*alertAnswer, error) {
		version, err := etag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		a, err := s.Store.Update(ctx, in.ID, version, in.Body.change(), actor(ctx))
		if errors.Is(err, store.ErrChange) {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		if err != nil {
			return nil, s.failed(err)
		}
		return answer(a), nil
	})
	note := op(http.MethodPost, "/alerts/{id}/notes", "add-note", "Write a note about an alert", Triage)
	note.DefaultStatus = http.StatusCreated
	huma.Register(s.api, note, func(ctx context.Context, in *struct {
		ByID
		Body struct {
			Text string `json:"text" minLength:"1" maxLength:"10000"`
		}
	},
	) (*noteList, error) {
		if err := s.Store.AddNote(ctx, in.ID, actor(ctx), in.Body.Text); err != nil {
			return nil, s.failed(err)
		}
		return s.notes(ctx, in.ID)
	})
	huma.Register(s.api, op(http.MethodGet, "/alerts/{id}/notes", "list-notes", "Notes about an alert", Read), func(ctx context.Context, in *ByID) (*noteList, error) {
		if _, err := s.Store.Alert(ctx, in.ID); err != nil {
			return nil, s.failed(err)
		}
		return s.notes(ctx, in.ID)
	})
	huma.Register(s.api, op(http.MethodGet, "/alerts/{id}/timeline", "get-timeline", "What happened to an alert, the latest last", Read), s.timeline)
	huma.Register(s.api, op(http.MethodPost, "/alerts/bulk", "update-alerts", "Change many alerts at once", Triage), s.bulk)
}

// etag reads an If-Match: "3", *, or nothing.
func etag(header string) (uint64, error) {
	if header == "" || header == "*" {
		return 0, nil
	}
	v, err := strconv.ParseUint(strings.Trim(strings.TrimPrefix(header, "W/"), `"`), 10, 64)
	if err != nil || v == 0 {
		return 0, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "header.If-Match", Message: "not the ETag of an alert", Value: header})
	}
	return v, nil
}

type noteList struct {
	Body struct {
		Notes []store.Note `json:"notes" nullable:"false"`
	}
}

func (s *server) notes(ctx context.Context, id string) (*noteList, error) {
	out := &noteList{}
	var err error
	out.Body.Notes, err = s.Store.Notes(ctx, id, 1000)
	return out, s.failed(err)
}

type timelineAnswer struct {
	Body struct {
		Timeline []TimelineEntry `json:"timeline" nullable:"false"`
	}
}

func (s *server) timeline(ctx context.Context, in *ByID) (*timelineAnswer, error) {
	const limit = 500
	a, err := s.Store.Alert(ctx, in.ID)
	if err != nil {
		return nil, s.failed(err)
	}
	findings, _, err := s.Store.AlertFindings(ctx, in.ID, store.Page{Limit: limit})
	if err != nil {
		return nil, s.failed(err)
	}
	entries, err := s.Store.AuditLog(ctx, in.ID, 0, limit)
	if err != nil {
		return nil, s.failed(err)
	}
	deliveries, err := s.Store.Deliveries(ctx, in.ID, limit)
	if err != nil {
		return nil, s.failed(err)
	}
	out := &timelineAnswer{}
	list := []TimelineEntry{}
	for i := range findings {
		f := &findings[i]
		list = append(list, TimelineEntry{Time: f.Time, Kind: "finding", Text: f.Severity.String() + ": " + f.Rule.Name, Detail: map[string]any{"id": f.ID, "message": f.Message}})
	}
	if n := int(a.Count) - len(findings); n > 0 {
		list = append(list, TimelineEntry{Time: a.FirstSeen, Kind: "finding", Text: strconv.Itoa(n) + " earlier findings"})
	}
	for _, e := range entries {
		list = append(list, TimelineEntry{Time: e.Time, Kind: "change", Who: e.Actor, Text: e.Action, Detail: e.Detail})
	}
	for _, d := range deliveries {
		list = append(list, TimelineEntry{Time: d.Updated, Kind: "delivery", Text: string(d.Kind) + " to " + d.Output + ": " + string(d.Status), Detail: d})
	}
	sortTimeline(list)
	out.Body.Timeline = list
	return out, nil
}

// BulkRequest selects alerts by ids or by a filter, never both.
type BulkRequest struct {
	IDs         []string       `json:"ids,omitempty" maxItems:"10000"`
	Filter      map[string]any `json:"filter,omitempty" doc:"a matcher, and status"`
	ExpectCount *int           `json:"expect_count,omitempty" doc:"how many alerts this shall change: needed with a filter; another number changes nothing"`
	Change
}

type bulkAnswer struct {
	Body struct {
		Changed []string `json:"changed" nullable:"false"`
	}
}

func (s *server) bulk(ctx context.Context, in *struct{ Body BulkRequest }) (*bulkAnswer, error) {
	invalid := func(where, msg string) error {
		return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: where, Message: msg})
	}
	b := &in.Body
	var f store.Filter
	var expect int
	switch {
	case (len(b.IDs) > 0) == (len(b.Filter) > 0):
		return nil, invalid("body", "give ids or a filter")
	case len(b.IDs) > 0:
		f.IDs, expect = b.IDs, len(b.IDs)
		if b.ExpectCount != nil {
			expect = *b.ExpectCount
		}
	case b.ExpectCount == nil:
		return nil, invalid("body.expect_count", "say how many alerts the filter shall change")
	default:
		expect = *b.ExpectCount
		doc := map[string]any{}
		for k, v := range b.Filter {
			if k == "status" {
				text, _ := v.(string)
				f.Status = strings.Split(text, ",")
				continue
			}
			doc[k] = v
		}
		var err error
		if f.Match, err = match.Parse(doc); err != nil {
			return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(err, "body.filter"))
		}
	}
	out := &bulkAnswer{}
	var err error
	out.Body.Changed, err = s.Store.UpdateAll(ctx, f, expect, maxBulk, b.change(), actor(ctx))
	var me *match.Error
	switch {
	case errors.As(err, &me):
		return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(me, "body.filter"))
	case errors.Is(err, store.ErrChange):
		return nil, huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, store.ErrConflict):
		return nil, huma.Error409Conflict(err.Error())
	}
	return out, s.failed(err)
}
