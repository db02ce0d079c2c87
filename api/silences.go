package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

func sortTimeline(list []TimelineEntry) {
	slices.SortStableFunc(list, func(a, b TimelineEntry) int { return a.Time.Compare(b.Time) })
}

// Silence is a silence as the API shows it.
type Silence struct {
	ID      string         `json:"id"`
	Match   map[string]any `json:"match"`
	Start   time.Time      `json:"start"`
	End     time.Time      `json:"end"`
	Author  string         `json:"author"`
	Comment string         `json:"comment,omitempty"`
	Created time.Time      `json:"created"`
	State   string         `json:"state" enum:"pending,active,expired"`
}

func show(s *router.Silence, now time.Time) Silence {
	out := Silence{s.ID, s.Match.Document(), s.Start, s.End, s.Author, s.Comment, s.Created, "active"}
	switch {
	case now.Before(s.Start):
		out.State = "pending"
	case !now.Before(s.End):
		out.State = "expired"
	}
	return out
}

// SilenceRequest asks for a silence.
type SilenceRequest struct {
	Match   map[string]any `json:"match" doc:"a matcher"`
	Start   time.Time      `json:"start,omitzero" required:"false" doc:"default: now"`
	End     time.Time      `json:"end,omitzero" required:"false" doc:"this or for"`
	For     string         `json:"for,omitempty" doc:"a duration such as 2h or 7d, instead of end"`
	Comment string         `json:"comment,omitempty" maxLength:"2000" doc:"why"`
}

func (r *SilenceRequest) silence(who string, now time.Time) (*router.Silence, error) {
	m, err := match.Parse(r.Match)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(err, "body.match"))
	}
	s := &router.Silence{ID: "s-" + rand.Text()[:16], Match: m, Start: r.Start, End: r.End, Author: who, Comment: r.Comment, Created: now}
	if s.Start.IsZero() || s.Start.Before(now) {
		s.Start = now
	}
	if r.For != "" {
		back, err := parseTime(r.For, now)
		if err != nil || !r.End.IsZero() {
			return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body.for", Message: "a duration such as 2h or 7d, and then no end", Value: r.For})
		}
		s.End = s.Start.Add(now.Sub(back))
	}
	if s.End.IsZero() {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body.end", Message: "a silence must end: give end or for"})
	}
	return s, nil
}

type silenceAnswer struct{ Body Silence }

func (s *server) silences() {
	huma.Register(s.api, op(http.MethodGet, "/silences", "list-silences", "Silences, the latest to end first", Read), func(ctx context.Context, in *struct {
		Expired bool `query:"expired" doc:"also those that have ended within 30 days"`
		Limit   int  `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}) (*struct {
		Body struct {
			Silences []Silence `json:"silences" nullable:"false"`
		}
	}, error,
	) {
		now := time.Now()
		since := now
		if in.Expired {
			since = now.AddDate(0, 0, -30)
		}
		list, err := s.Store.Silences(ctx, since, in.Limit)
		out := &struct {
			Body struct {
				Silences []Silence `json:"silences" nullable:"false"`
			}
		}{}
		out.Body.Silences = []Silence{}
		for i := range list {
			out.Body.Silences = append(out.Body.Silences, show(&list[i], now))
		}
		return out, s.failed(err)
	})
	create := op(http.MethodPost, "/silences", "add-silence", "Silence notifications for a bounded time", SilenceOps)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *struct{ Body SilenceRequest }) (*silenceAnswer, error) {
		now := time.Now().UTC()
		x, err := in.Body.silence(actor(ctx), now)
		if err != nil {
			return nil, err
		}
		if s.Table != nil {
			if err := s.Table().CheckSilence(x); err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
		}
		err = s.Store.Work(ctx, func(t *store.Tx) error {
			if err := t.SaveSilence(ctx, x); err != nil {
				return err
			}
			return t.Audit(ctx, actor(ctx), "silence.add", x.ID, show(x, now))
		})
		return &silenceAnswer{show(x, now)}, s.failed(err)
	})
	huma.Register(s.api, op(http.MethodGet, "/silences/{id}", "get-silence", "One silence", Read), func(ctx context.Context, in *ByID) (*silenceAnswer, error) {
		x, err := s.Store.Silence(ctx, in.ID)
		if err != nil {
			return nil, s.failed(err)
		}
		return &silenceAnswer{show(x, time.Now())}, nil
	})
	huma.Register(s.api, op(http.MethodDelete, "/silences/{id}", "end-silence", "End a silence now", SilenceOps), func(ctx context.Context, in *ByID) (*silenceAnswer, error) {
		x, err := s.Store.Silence(ctx, in.ID)
		if err != nil {
			return nil, s.failed(err)
		}
		now := time.Now().UTC()
		if x.End.After(now) {
			x.End = now
			if x.Start.After(now) {
				x.Start = now
			}
			err = s.Store.Work(ctx, func(t *store.Tx) error {
				if err := t.SaveSilence(ctx, x); err != nil {
					return err
				}
				return t.Audit(ctx, actor(ctx), "silence.end", x.ID, nil)
			})
		}
		return &silenceAnswer{show(x, now)}, s.failed(err)
	})
	preview := op(http.MethodPost, "/silences/preview", "preview-silence", "What a silence would have hidden", Read)
	huma.Register(s.api, preview, s.preview)
}

// Preview is what a silence would have hidden.
type Preview struct {
	Findings  int             `json:"findings" doc:"findings that match"`
	Scanned   int             `json:"scanned" doc:"findings looked at"`
	Truncated bool            `json:"truncated" doc:"there are more than could be looked at"`
	Severity  map[string]int  `json:"severity" doc:"findings that match, by severity"`
	Rules     map[string]int  `json:"rules" doc:"findings that match, by rule"`
	Alerts    []finding.Alert `json:"alerts" nullable:"false" doc:"some alerts that match"`
	Refused   string          `json:"refused,omitempty" doc:"why such a silence is not allowed"`
}

func (s *server) preview(ctx context.Context, in *struct {
	Since string `query:"since" default:"24h"`
	Body  SilenceRequest
},
) (*struct{ Body Preview }, error) {
	now := time.Now()
	since, err := parseTime(in.Since, now)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.since", Message: err.Error()})
	}
	if in.Body.For == "" && in.Body.End.IsZero() {
		in.Body.For = "1h"
	}
	x, err := in.Body.silence(actor(ctx), now)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body Preview }{Preview{Severity: map[string]int{}, Rules: map[string]int{}, Alerts: []finding.Alert{}}}
	p := &out.Body
	if s.Table != nil {
		if err := s.Table().CheckSilence(x); err != nil {
			p.Refused = err.Error()
		}
	}
	cursor := ""
	for p.Scanned < 20_000 {
		list, next, err := s.Store.Findings(ctx, store.FindingFilter{Since: since}, store.Page{Limit: 1000, Cursor: cursor})
		if err != nil {
			return nil, s.failed(err)
		}
		for i := range list {
			p.Scanned++
			if x.Match.Match(&list[i]) {
				p.Findings++
				p.Severity[list[i].Severity.String()]++
				if len(p.Rules) < 100 {
					p.Rules[list[i].Rule.ID]++
				}
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	p.Truncated = cursor != ""
	// A matcher over what alerts don't have (data, arguments) shows no alerts.
	if list, _, err := s.Store.Alerts(ctx, store.Filter{Match: x.Match, Since: since}, store.Page{Limit: 10}); err == nil {
		p.Alerts = list
	}
	return out, nil
}
