package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/tocsin-io/tocsin/finding/match"
)

const (
	streamPoll  = 2 * time.Second // changes that another process made are seen after this
	streamBeat  = 15 * time.Second
	streamBatch = 200
	maxStreams  = 100
)

type streamInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"where to go on: the id of the last event that was received"`
	match       match.Matcher
}

// Resolve implements huma.Resolver.
func (in *streamInput) Resolve(ctx huma.Context) (errs []error) {
	in.match, errs = matcherOf(ctx)
	return errs
}

// stream sends every alert that changes, as it is then. An event's id is the number of the change: with it as
// Last-Event-ID a client that comes back gets what it has missed, each alert once.
func (s *server) stream() {
	slots := make(chan struct{}, maxStreams)
	o := matcherParams(op(http.MethodGet, "/stream", "stream-alerts", "Alerts as they change, as server-sent events", Read))
	o.Responses = map[string]*huma.Response{"200": {
		Description: "events named alert, whose data is an alert",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(s.api, o, func(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
		after := int64(-1)
		if in.LastEventID != "" {
			n, err := strconv.ParseInt(in.LastEventID, 10, 64)
			if err != nil || n < 0 {
				return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "header.Last-Event-ID", Message: "not the id of an event", Value: in.LastEventID})
			}
			after = n
		}
		select {
		case slots <- struct{}{}:
		default:
			return nil, huma.Error503ServiceUnavailable(fmt.Sprintf("there are %d event streams already", maxStreams))
		}
		changed, stop := s.Store.Watch()
		if after < 0 {
			var err error
			if _, after, err = s.Store.Changes(ctx, -1, 0); err != nil {
				stop()
				<-slots
				return nil, s.failed(err)
			}
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			defer func() { <-slots }()
			defer stop()
			r, w := humachi.Unwrap(hctx)
			s.events(r.Context(), w, &in.match, after, changed)
		}}, nil
	})
}

func (s *server) events(ctx context.Context, w http.ResponseWriter, m *match.Matcher, after int64, changed <-chan struct{}) {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	send := func(format string, a ...any) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a client that does not read is let go
		_, err := fmt.Fprintf(w, format, a...)
		return err == nil && rc.Flush() == nil
	}
	// The first line tells a new client where it is, so that it misses nothing even if nothing happens before it is cut off.
	if !send("retry: 2000\nid: %d\nevent: ready\ndata: {}\n\n", after) {
		return
	}
	poll, beat := time.NewTicker(streamPoll), time.NewTicker(streamBeat)
	defer poll.Stop()
	defer beat.Stop()
	for {
		list, last, err := s.Store.Changes(ctx, after, streamBatch)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Error("event stream ends", "error", err)
			}
			return
		}
		for i := range list {
			if !m.MatchAlert(&list[i].Alert) {
				continue
			}
			data, err := json.Marshal(&list[i].Alert)
			if err != nil || !send("id: %d\nevent: alert\ndata: %s\n\n", list[i].Seq, data) {
				return
			}
		}
		after = last
		if len(list) == streamBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-poll.C:
		case <-beat.C:
			if !send(": still here\n\n") {
				return
			}
		}
	}
}
