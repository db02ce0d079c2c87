// Package api is the REST API: alerts and what people do with them, silences, dry runs, dead letters, ingest of what
// others found, an event stream, and the description of all that as OpenAPI 3.1.
//
// Errors are RFC 9457 problems. Everything is under /v1, and also without it. Who may do what comes from bearer tokens;
// without tokens the server answers this host alone.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
)

// Options are what the API serves. Store is needed; what is nil is answered with 404.
type Options struct {
	Store    *store.Store
	Table    func() *router.Table // the routing table in force
	Findings Findings             // where ingested findings go
	Outputs  Outputs
	Rules    func() []RuleInfo
	Tokens   []Token
	Ready    func() error // nil: the store's answer alone
	// Reload reads configuration and rules again. On an error the old ones stay.
	Reload   func(context.Context) error
	Registry *prometheus.Registry
	Console  http.Handler // the web UI, at /
	Version  string
	Log      *slog.Logger
}

// Findings stores findings: when Store returns nil, they are safe.
type Findings interface {
	Store(ctx context.Context, list ...*finding.Finding) error
}

// Outputs is what the API must know of the configured outputs.
type Outputs interface {
	List() []OutputInfo
	// Test sends a test notification and returns what the destination said.
	Test(ctx context.Context, name string) error
}

// OutputInfo describes one output, without its secrets.
type OutputInfo struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Target  string `json:"target,omitempty" doc:"where it sends to, secrets hidden"`
	State   string `json:"state,omitempty" doc:"ok, down (the destination fails, the circuit breaker is open) or trying"`
	Backlog uint64 `json:"backlog" doc:"notifications waiting in its queue"`

	Until   time.Time `json:"until,omitzero" doc:"while it is down: when it is tried again"`
	Error   string    `json:"error,omitempty" doc:"while it is down: what it answered last"`
	Removed bool      `json:"removed,omitempty" doc:"the configuration no longer has it, and what waits for it is still delivered"`
}

// RuleInfo describes one rule.
type RuleInfo struct {
	finding.Rule
	Severity finding.Severity `json:"severity"`
	Attack   []finding.Attack `json:"attack" nullable:"false"`
	Events   []string         `json:"events,omitempty"`
	Source   string           `json:"source,omitempty" doc:"the file it comes from"`
	// Unavailable events are those of Events that this kernel cannot give.
	Unavailable map[string]string `json:"unavailable,omitempty" doc:"events that this kernel cannot give, with the reason"`
}

type server struct {
	Options
	auth *auth
	api  huma.API
}

const maxBody = 1 << 20 // bytes, of everything but ingest

// New makes the handler.
func New(opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{Options: opts, auth: newAuth(opts.Tokens)}
	mux := chi.NewMux()
	mux.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "nothing is at "+r.URL.Path+": /v1/openapi.json describes what is")
	})
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusMethodNotAllowed, r.Method+" can't be done with "+r.URL.Path)
	})
	mux.Use(s.guard)
	mux.Get("/healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Get("/readyz", s.readyz)
	if opts.Registry != nil {
		mux.Handle("/metrics", s.need(Read, promhttp.HandlerFor(opts.Registry, promhttp.HandlerOpts{})))
	}

	cfg := huma.DefaultConfig("Tocsin", opts.Version)
	cfg.Info.Description = "Runtime security alerts: query and handle them, silence, test routes, ingest."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/v1/openapi", "", "/v1/schemas"
	cfg.CreateHooks = nil // answers hold data, not links to schemas
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	s.api = humachi.New(mux, cfg)
	s.api.UseMiddleware(s.authorize)
	s.alerts()
	s.triage()
	s.silences()
	s.routing()
	s.reload()
	s.outputs()
	s.counts()
	s.ingests()
	s.stream()
	if opts.Console != nil {
		mux.Handle("/*", opts.Console)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); unprefixed[first] {
			r2 := r.Clone(r.Context())
			r2.URL.Path, r2.URL.RawPath = "/v1"+r.URL.Path, ""
			r = r2
		}
		mux.ServeHTTP(w, r)
	})
}

// unprefixed are the resources that are also served without /v1.
var unprefixed = map[string]bool{
	"alerts": true, "findings": true, "facets": true, "histogram": true, "attack": true, "stream": true, "silences": true,
	"routes": true, "outputs": true, "rules": true, "ingest": true, "audit": true, "reload": true, "openapi.json": true,
}

// guard bounds bodies and refuses what a web page elsewhere made a browser send.
func (s *server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !s.auth.sameHost(r) {
			problem(w, http.StatusForbidden, "without tokens the API answers to localhost only, not to "+r.Host)
			return
		}
		if err := cross.Check(r); err != nil {
			problem(w, http.StatusForbidden, "a request from another site is refused")
			return
		}
		limit := int64(maxBody)
		if strings.HasPrefix(r.URL.Path, "/v1/ingest/") {
			limit = maxIngest
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// need guards a handler that is not one of huma's.
func (s *server) need(scope Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := s.auth.token(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, err.Error())
			return
		}
		if !t.Allows(scope) {
			problem(w, http.StatusForbidden, fmt.Sprintf("the token %q lacks the scope %s", t.Name, scope))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, t)))
	})
}

// authorize asks for the scope that the operation names.
func (s *server) authorize(ctx huma.Context, next func(huma.Context)) {
	scope := Read
	for _, sec := range ctx.Operation().Security {
		for _, sc := range sec["bearer"] {
			scope = Scope(sc)
		}
	}
	r, _ := humachi.Unwrap(ctx)
	t, err := s.auth.token(r)
	if err != nil {
		ctx.SetHeader("WWW-Authenticate", "Bearer")
		huma.WriteErr(s.api, ctx, http.StatusUnauthorized, err.Error())
		return
	}
	if !t.Allows(scope) {
		huma.WriteErr(s.api, ctx, http.StatusForbidden, fmt.Sprintf("the token %q lacks the scope %s", t.Name, scope))
		return
	}
	next(huma.WithValue(ctx, actorKey{}, t))
}

// op describes an operation that needs a scope.
func op(method, path, id, summary string, scope Scope) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/v1" + path, Summary: summary, MaxBodyBytes: maxBody,
		Security: []map[string][]string{{"bearer": {string(scope)}}},
		Errors:   []int{http.StatusUnauthorized, http.StatusForbidden},
	}
}

func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := s.Store.Ping(ctx)
	if err == nil && s.Ready != nil {
		err = s.Ready()
	}
	if err != nil {
		problem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	fmt.Fprintln(w, "ready")
}

// problem writes an RFC 9457 problem.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(&huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// failed turns an error of the store into a problem.
func (s *server) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, store.ErrConflict):
		return huma.Error412PreconditionFailed(err.Error() + ": read it again, and send its new ETag as If-Match")
	case errors.Is(err, store.ErrCursor):
		return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.cursor", Message: err.Error()})
	case errors.Is(err, context.Canceled):
		return huma.NewError(499, "the client went away")
	}
	var se huma.StatusError
	if errors.As(err, &se) {
		return err
	}
	s.Log.Error("request failed", "error", err)
	return huma.Error500InternalServerError("the server could not do that; its log says why")
}

// Listen binds the address, after CheckListen.
func Listen(addr string, tokens []Token) (net.Listener, error) {
	if err := CheckListen(addr, tokens); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: set server.listen to a free address", addr, err)
	}
	return l, nil
}

// Serve serves until ctx is done, then lets requests end for a few seconds.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	cancel() // event streams end
	stop, end := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer end()
	if err := srv.Shutdown(stop); err != nil {
		srv.Close()
	}
	return nil
}
