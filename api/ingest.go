package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tocsin-io/tocsin/api/ingest"
	"github.com/tocsin-io/tocsin/finding"
)

const maxIngest = 16 << 20 // bytes of one request with findings

type ingestAnswer struct {
	Body struct {
		Accepted int      `json:"accepted" doc:"findings that are stored"`
		Rejected []string `json:"rejected,omitempty" doc:"what could not be read, and why"`
	}
}

func (s *server) ingests() {
	if s.Findings == nil {
		return
	}
	register := func(name, summary string, parse func([]byte) ([]finding.Finding, error)) {
		o := op(http.MethodPost, "/ingest/"+name, "ingest-"+name, summary, Ingest)
		o.MaxBodyBytes = maxIngest
		o.SkipValidateBody = true // the body is whatever the sender makes of JSON
		huma.Register(s.api, o, func(ctx context.Context, in *struct {
			RawBody []byte `contentType:"application/json" doc:"one JSON object, several one after another, or an array"`
		},
		) (*ingestAnswer, error) {
			list, err := parse(in.RawBody)
			out := &ingestAnswer{}
			if err != nil {
				out.Body.Rejected = strings.Split(err.Error(), "\n")
				if len(out.Body.Rejected) > 100 {
					out.Body.Rejected = append(out.Body.Rejected[:100], "…")
				}
				s.Log.Warn("ingest: something could not be read", "source", name, "from", actor(ctx), "rejected", len(out.Body.Rejected), "error", out.Body.Rejected[0])
			}
			if len(list) == 0 {
				return nil, huma.Error422UnprocessableEntity("no finding could be read: " + out.Body.Rejected[0])
			}
			ptrs := make([]*finding.Finding, len(list))
			for i := range list {
				ptrs[i] = &list[i]
			}
			// Falco does not try again whatever the answer: what is accepted is stored before it.
			if err := s.Findings.Store(ctx, ptrs...); err != nil {
				return nil, huma.Error503ServiceUnavailable("the findings could not be stored: " + err.Error())
			}
			out.Body.Accepted = len(list)
			return out, nil
		})
	}
	register("falco", "Falco's http_output: alerts become findings", ingest.Falco)
	register("tracee", "Tracee's webhook: findings become findings", ingest.Tracee)
}
