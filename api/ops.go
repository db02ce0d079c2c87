package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

func (s *server) routing() {
	if s.Table == nil {
		return
	}
	test := func(ctx context.Context, f *finding.Finding) (*traceAnswer, error) {
		now := time.Now()
		silences, err := s.Store.Silences(ctx, now, 1000)
		if err != nil {
			return nil, s.failed(err)
		}
		return &traceAnswer{s.Table().Route(now, f, silences)}, nil
	}
	huma.Register(s.api, matcherParams(op(http.MethodGet, "/routes/test", "test-routes", "What would become of a finding with these fields", Read)), func(ctx context.Context, in *sampleQuery) (*traceAnswer, error) {
		return test(ctx, &in.sample)
	})
	huma.Register(s.api, op(http.MethodPost, "/routes/test", "test-routes-with", "What would become of this finding", Read), func(ctx context.Context, in *struct {
		Body finding.Finding
	},
	) (*traceAnswer, error) {
		return test(ctx, &in.Body)
	})
}

type traceAnswer struct{ Body router.Trace }

type sampleQuery struct{ sample finding.Finding }

// Resolve implements huma.Resolver.
func (q *sampleQuery) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	var err error
	if q.sample, err = match.Sample(u.Query(), time.Now()); err != nil {
		return []error{badMatch(err, "query")}
	}
	return nil
}

func (s *server) reload() {
	if s.Reload == nil {
		return
	}
	huma.Register(s.api, op(http.MethodPost, "/reload", "reload", "Read configuration and rules again", Admin), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		if err := s.Reload(ctx); err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return nil, nil
	})
}

// checkOutput refuses the name of an output that is not configured. One that was removed may have left dead letters: it is
// asked for those first.
func (s *server) checkOutput(name string) error {
	if s.Table == nil {
		return nil
	}
	known := s.Table().Outputs()
	if slices.Contains(known, name) {
		return nil
	}
	if len(known) == 0 {
		return huma.Error404NotFound("no output is named " + strconv.Quote(name) + ": none are configured")
	}
	return huma.Error404NotFound("no output is named " + strconv.Quote(name) + ": there are " + strings.Join(known, ", "))
}

func (s *server) outputs() {
	letters := op(http.MethodGet, "/outputs/{name}/dead-letters", "list-dead-letters", "Notifications that were given up, the latest first", Read)
	huma.Register(s.api, letters, func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"100"`
		Paging
	},
	) (*deliveryList, error) {
		list, err := s.Store.DeadLetters(ctx, in.Name, in.Cursor, in.Limit)
		if err != nil {
			return nil, s.failed(err)
		}
		if len(list) == 0 {
			if err := s.checkOutput(in.Name); err != nil {
				return nil, err
			}
		}
		out := &deliveryList{}
		out.Body.Deliveries = list
		if len(list) == in.Limit {
			out.Body.Next = list[len(list)-1].ID
		}
		return out, nil
	})
	huma.Register(s.api, op(http.MethodGet, "/outputs/{name}/dead-letters/{id}", "get-dead-letter", "The whole notification that was given up", Read), func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"100"`
		ByID
	},
	) (*struct{ Body json.RawMessage }, error) {
		body, err := s.Store.DeadLetter(ctx, in.Name, in.ID)
		if err != nil {
			return nil, s.failed(err)
		}
		return &struct{ Body json.RawMessage }{body}, nil
	})
	huma.Register(s.api, op(http.MethodPost, "/outputs/{name}/dead-letters/retry", "retry-dead-letters", "Queue dead letters again", Admin), func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"100"`
		Body struct {
			IDs []string `json:"ids,omitempty" maxItems:"10000" doc:"none means all of the output"`
		}
	}) (*struct {
		Body struct {
			Retried int `json:"retried"`
		}
	}, error,
	) {
		out := &struct {
			Body struct {
				Retried int `json:"retried"`
			}
		}{}
		var err error
		if out.Body.Retried, err = s.Store.Revive(ctx, in.Name, in.Body.IDs); err != nil {
			return nil, s.failed(err)
		}
		if out.Body.Retried == 0 {
			if err := s.checkOutput(in.Name); err != nil {
				return nil, err
			}
			if len(in.Body.IDs) > 0 {
				return nil, huma.Error404NotFound("output " + in.Name + " has no such dead letters")
			}
		}
		err = s.Store.Work(ctx, func(t *store.Tx) error {
			return t.Audit(ctx, actor(ctx), "dead-letters.retry", in.Name, map[string]any{"ids": in.Body.IDs, "retried": out.Body.Retried})
		})
		return out, s.failed(err)
	})
	if s.Outputs == nil {
		return
	}
	huma.Register(s.api, op(http.MethodGet, "/outputs", "list-outputs", "Outputs, with their backlog", Read), func(ctx context.Context, _ *struct{}) (*struct {
		Body struct {
			Outputs []OutputState `json:"outputs" nullable:"false"`
		}
	}, error,
	) {
		counts, err := s.Store.DeliveryCounts(ctx)
		if err != nil {
			return nil, s.failed(err)
		}
		out := &struct {
			Body struct {
				Outputs []OutputState `json:"outputs" nullable:"false"`
			}
		}{}
		out.Body.Outputs = []OutputState{}
		for _, o := range s.Outputs.List() {
			out.Body.Outputs = append(out.Body.Outputs, OutputState{o, counts[o.Name][store.Pending], counts[o.Name][store.Dead]})
		}
		return out, nil
	})
	huma.Register(s.api, op(http.MethodPost, "/outputs/{name}/test", "test-output", "Send a test notification", Admin), func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"100"`
	},
	) (*struct{}, error) {
		if err := s.checkOutput(in.Name); err != nil {
			return nil, err
		}
		if err := s.Outputs.Test(ctx, in.Name); err != nil {
			return nil, huma.Error502BadGateway(err.Error())
		}
		return nil, nil
	})
}

// OutputState is an output with what the store knows of it.
type OutputState struct {
	OutputInfo
	Unqueued    int `json:"unqueued" doc:"notifications that its queue has not taken yet"`
	DeadLetters int `json:"deadLetters"`
}

func (s *server) counts() {
	huma.Register(s.api, matcherParams(op(http.MethodGet, "/facets", "get-facets", "Alerts counted by fields", Read)), func(ctx context.Context, in *struct {
		Selection
		Fields string `query:"fields" default:"status,severity,rule,host" doc:"separated by commas"`
		Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"values of each field"`
	},
	) (*facetAnswer, error) {
		fields := strings.Split(in.Fields, ",")
		for _, f := range fields {
			if !slices.Contains(store.FacetFields, f) {
				return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.fields", Message: "use " + strings.Join(store.FacetFields, ", "), Value: f})
			}
		}
		out := &facetAnswer{}
		var err error
		out.Body.Facets, out.Body.Truncated, err = s.Store.Facets(ctx, in.filter, fields, in.Limit)
		var e *match.Error
		if errors.As(err, &e) {
			return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(e, "query"))
		}
		return out, s.failed(err)
	})
	huma.Register(s.api, op(http.MethodGet, "/histogram", "get-histogram", "Findings counted over time", Read), s.histogram)
	huma.Register(s.api, op(http.MethodGet, "/attack", "get-attack", "ATT&CK: which techniques rules cover, and alerts hit", Read), s.attack)
	huma.Register(s.api, op(http.MethodGet, "/audit", "get-audit", "Who did what, the latest first", Admin), func(ctx context.Context, in *struct {
		Object string `query:"object" maxLength:"200" doc:"the id of an alert or a silence, or the name of an output"`
		Before int64  `query:"before" minimum:"0" doc:"seq of the last entry of the page before"`
		Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}) (*struct {
		Body struct {
			Entries []store.Entry `json:"entries" nullable:"false"`
		}
	}, error,
	) {
		out := &struct {
			Body struct {
				Entries []store.Entry `json:"entries" nullable:"false"`
			}
		}{}
		var err error
		out.Body.Entries, err = s.Store.AuditLog(ctx, in.Object, in.Before, in.Limit)
		return out, s.failed(err)
	})
	if s.Rules == nil {
		return
	}
	huma.Register(s.api, op(http.MethodGet, "/rules", "list-rules", "Rules", Read), func(context.Context, *struct{}) (*struct {
		Body struct {
			Rules []RuleInfo `json:"rules" nullable:"false"`
		}
	}, error,
	) {
		out := &struct {
			Body struct {
				Rules []RuleInfo `json:"rules" nullable:"false"`
			}
		}{}
		out.Body.Rules = append([]RuleInfo{}, s.Rules()...)
		return out, nil
	})
}

type facetAnswer struct {
	Body struct {
		Facets    map[string][]store.Facet `json:"facets" doc:"by field: its most frequent values"`
		Truncated bool                     `json:"truncated,omitempty" doc:"only the latest alerts are counted: there are too many"`
	}
}

const maxBars = 2000

func (s *server) histogram(ctx context.Context, in *struct {
	Since    string `query:"since" default:"24h"`
	Until    string `query:"until"`
	By       string `query:"by" enum:"severity,rule" default:"severity"`
	Step     string `query:"step" default:"1h" doc:"a multiple of 5m"`
	Severity string `query:"severity"`
	Rule     string `query:"rule"`
}) (*struct {
	Body struct {
		Step    string         `json:"step"`
		Buckets []store.Bucket `json:"buckets" nullable:"false"`
	}
}, error,
) {
	invalid := func(where, msg string) error {
		return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: where, Message: msg})
	}
	sp := Span{in.Since, in.Until}
	since, until, errs := sp.times()
	if errs != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", errs...)
	}
	if until.IsZero() {
		until = time.Now()
	}
	step, err := time.ParseDuration(in.Step)
	if days, ok := strings.CutSuffix(in.Step, "d"); ok {
		step, err = time.ParseDuration(days + "h")
		step *= 24
	}
	switch {
	case err != nil || step <= 0 || step%(5*time.Minute) != 0:
		return nil, invalid("query.step", "not a multiple of 5m, such as 1h or 1d")
	case !until.After(since):
		return nil, invalid("query.until", "not after since")
	case until.Sub(since)/step > maxBars:
		return nil, invalid("query.step", "too fine for so long a time: at most 2000 steps")
	}
	values := map[string][]string{}
	for name, v := range map[string]string{"severity": in.Severity, "rule": in.Rule} {
		if v != "" {
			values[name] = []string{v}
		}
	}
	m, err := match.FromValues(values)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", badMatch(err, "query"))
	}
	out := &struct {
		Body struct {
			Step    string         `json:"step"`
			Buckets []store.Bucket `json:"buckets" nullable:"false"`
		}
	}{}
	out.Body.Step = step.String()
	out.Body.Buckets, err = s.Store.Histogram(ctx, m, in.By, since, until, step)
	return out, s.failed(err)
}

// TechniqueState is one technique of ATT&CK: the rules that detect it, and the alerts that showed it.
type TechniqueState struct {
	finding.Technique
	Rules  []string `json:"rules" nullable:"false"`
	Alerts int      `json:"alerts"`
}

// TacticState is one tactic.
type TacticState struct {
	finding.Tactic
	Alerts int `json:"alerts"`
}

type attackAnswer struct {
	Body struct {
		Version    string           `json:"version" doc:"of ATT&CK"`
		Tactics    []TacticState    `json:"tactics" nullable:"false"`
		Techniques []TechniqueState `json:"techniques" nullable:"false"`
	}
}

func (s *server) attack(ctx context.Context, in *struct {
	Since string `query:"since" default:"30d"`
	All   bool   `query:"all" doc:"also techniques without rules and alerts"`
},
) (*attackAnswer, error) {
	since, err := parseTime(in.Since, time.Now())
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.since", Message: err.Error()})
	}
	techniques, tactics, err := s.Store.Hits(ctx, since)
	if err != nil {
		return nil, s.failed(err)
	}
	rules := map[string][]string{}
	if s.Rules != nil {
		for _, r := range s.Rules() {
			for _, id := range match.TechniqueIDs(r.Attack) {
				rules[id] = append(rules[id], r.ID)
			}
		}
	}
	cat := finding.ATTACK()
	out := &attackAnswer{}
	out.Body.Version = cat.Version
	out.Body.Tactics, out.Body.Techniques = []TacticState{}, []TechniqueState{}
	for _, t := range cat.Tactics {
		out.Body.Tactics = append(out.Body.Tactics, TacticState{t, tactics[t.ID]})
	}
	for _, t := range cat.Techniques {
		x := TechniqueState{t, append([]string{}, rules[t.ID]...), techniques[t.ID]}
		if in.All || len(x.Rules) > 0 || x.Alerts > 0 {
			out.Body.Techniques = append(out.Body.Techniques, x)
		}
	}
	return out, nil
}
