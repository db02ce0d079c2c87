package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/store"
)

// Paging is the part of a query that every list has.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many at most"`
	Cursor string `query:"cursor" doc:"next of the page before"`
}

// Span is a time span in a query: RFC 3339 times, or durations that count back from now.
type Span struct {
	Since string `query:"since" doc:"not before: an RFC 3339 time, or a duration such as 24h or 7d" example:"24h"`
	Until string `query:"until" doc:"not after: likewise"`
}

func (s *Span) times() (since, until time.Time, errs []error) {
	for _, x := range []struct {
		name, text string
		to         *time.Time
	}{{"since", s.Since, &since}, {"until", s.Until, &until}} {
		if x.text == "" {
			continue
		}
		t, err := parseTime(x.text, time.Now())
		if err != nil {
			errs = append(errs, &huma.ErrorDetail{Location: "query." + x.name, Message: err.Error(), Value: x.text})
		}
		*x.to = t
	}
	return since, until, errs
}

func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("not a time such as 2026-03-01T12:00:00Z, nor a duration such as 24h or 7d")
}

// Selection is a query for alerts: what is not named here is a field of the matcher grammar.
type Selection struct {
	Status   []string `query:"status,explode" doc:"open, acknowledged, closed; several separated by commas"`
	Assignee string   `query:"assignee"`
	Text     string   `query:"q" maxLength:"200" doc:"words that must all occur"`
	Span
	filter store.Filter
}

var reserved = map[string]bool{
	"limit": true, "cursor": true, "since": true, "until": true, "status": true, "assignee": true, "q": true, "sort": true,
	"fields": true, "by": true, "step": true, "output": true,
}

// matcherOf reads the fields of the grammar in a query.
func matcherOf(ctx huma.Context) (match.Matcher, []error) {
	values := map[string][]string{}
	u := ctx.URL()
	for name, v := range u.Query() {
		if !reserved[name] {
			values[name] = v
		}
	}
	m, err := match.FromValues(values)
	if err == nil {
		return m, nil
	}
	return m, []error{badMatch(err, "query")}
}

func badMatch(err error, prefix string) error {
	var e *match.Error
	if errors.As(err, &e) {
		where := prefix
		if p := match.PathText(e.At); p != "" {
			where += "." + p
		}
		return &huma.ErrorDetail{Location: where, Message: e.Msg}
	}
	return &huma.ErrorDetail{Location: prefix, Message: err.Error()}
}

// Resolve implements huma.Resolver.
func (s *Selection) Resolve(ctx huma.Context) []error {
	m, errs := matcherOf(ctx)
	since, until, more := s.times()
	errs = append(errs, more...)
	var status []string
	for _, v := range s.Status {
		for x := range strings.SplitSeq(v, ",") {
			switch finding.Status(x) {
			case finding.Open, finding.Acknowledged, finding.Closed:
				status = append(status, x)
			case "":
			default:
				errs = append(errs, &huma.ErrorDetail{Location: "query.status", Message: "use open, acknowledged or closed", Value: x})
			}
		}
	}
	s.filter = store.Filter{Match: m, Status: status, Assignee: s.Assignee, Since: since, Until: until, Text: s.Text}
	return errs
}

// matcherParams documents the grammar's fields as parameters of an operation.
func matcherParams(o huma.Operation) huma.Operation {
	doc := match.FieldDoc()
	for i, name := range match.Fields() {
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: name, In: "query", Description: doc[i] + "; globs, !not, ~regexp, alternatives separated by commas",
			Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
	return o
}

type alertList struct {
	Body struct {
		Alerts []finding.Alert `json:"alerts" nullable:"false"`
		Next   string          `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
	}
}

type alertAnswer struct {
	ETag string `header:"ETag"`
	Body *finding.Alert
}

func answer(a *finding.Alert) *alertAnswer {
	return &alertAnswer{`"` + strconv.FormatUint(a.Version, 10) + `"`, a}
}

type ByID struct {
	ID string `path:"id" maxLength:"100"`
}

func (s *server) alerts() {
	huma.Register(s.api, matcherParams(op(http.MethodGet, "/alerts", "list-alerts", "Alerts, filtered and sorted", Read)), func(ctx context.Context, in *struct {
		Selection
		Paging
		Sort string `query:"sort" enum:"last_seen,-last_seen,first_seen,-first_seen,severity,-severity,count,-count" default:"-last_seen"`
	},
	) (*alertList, error) {
		out := &alertList{}
		var err error
		out.Body.Alerts, out.Body.Next, err = s.Store.Alerts(ctx, in.filter, store.Page{Sort: in.Sort, Limit: in.Limit, Cursor: in.Cursor})
		var e *match.Error
		if errors.As(err, &e) {
			return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(e, "query"))
		}
		return out, s.failed(err)
	})
	huma.Register(s.api, op(http.MethodGet, "/alerts/{id}", "get-alert", "One alert", Read), func(ctx context.Context, in *ByID) (*alertAnswer, error) {
		a, err := s.Store.Alert(ctx, in.ID)
		if err != nil {
			return nil, s.failed(err)
		}
		return answer(a), nil
	})
	huma.Register(s.api, op(http.MethodGet, "/alerts/{id}/findings", "list-alert-findings", "Findings of an alert, the latest first", Read), func(ctx context.Context, in *struct {
		ByID
		Paging
	},
	) (*findingList, error) {
		if _, err := s.Store.Alert(ctx, in.ID); err != nil {
			return nil, s.failed(err)
		}
		out := &findingList{}
		var err error
		out.Body.Findings, out.Body.Next, err = s.Store.AlertFindings(ctx, in.ID, store.Page{Limit: in.Limit, Cursor: in.Cursor})
		return out, s.failed(err)
	})
	huma.Register(s.api, op(http.MethodGet, "/alerts/{id}/deliveries", "list-alert-deliveries", "Who was told of an alert", Read), func(ctx context.Context, in *struct {
		ByID
		Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	},
	) (*deliveryList, error) {
		if _, err := s.Store.Alert(ctx, in.ID); err != nil {
			return nil, s.failed(err)
		}
		out := &deliveryList{}
		var err error
		out.Body.Deliveries, err = s.Store.Deliveries(ctx, in.ID, in.Limit)
		return out, s.failed(err)
	})
	huma.Register(s.api, matcherParams(op(http.MethodGet, "/findings", "list-findings", "Findings, the latest first", Read)), func(ctx context.Context, in *struct {
		FindingSelection
		Paging
	},
	) (*findingList, error) {
		out := &findingList{}
		var err error
		out.Body.Findings, out.Body.Next, err = s.Store.Findings(ctx, in.filter, store.Page{Limit: in.Limit, Cursor: in.Cursor})
		return out, s.failed(err)
	})
}

type findingList struct {
	Body struct {
		Findings []finding.Finding `json:"findings" nullable:"false"`
		Next     string            `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
	}
}

type deliveryList struct {
	Body struct {
		Deliveries []store.Delivery `json:"deliveries" nullable:"false"`
		Next       string           `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
	}
}

type FindingSelection struct {
	Span
	filter store.FindingFilter
}

// Resolve implements huma.Resolver.
func (s *FindingSelection) Resolve(ctx huma.Context) []error {
	m, errs := matcherOf(ctx)
	since, until, more := s.times()
	s.filter = store.FindingFilter{Match: m, Since: since, Until: until}
	return append(errs, more...)
}
