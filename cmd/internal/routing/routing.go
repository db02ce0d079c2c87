// Package routing is the unprivileged half of Tocsin as parts of a program: findings from NATS become alerts in the
// store and notifications at the outputs, and the REST API shows them. It is shared by tocsin-router and "tocsin run".
package routing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/api"
	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/cmd/internal/connect"
	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/metrics"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/router/pipeline"
	"github.com/tocsin-io/tocsin/store"
)

// Options configure a Router. All but Removed are needed.
type Options struct {
	Config   *configs.Config
	Name     string // of the program, in the NATS server's monitoring
	Registry *prometheus.Registry
	Log      *slog.Logger
	Removed  Removed
}

// Router is the router's parts. What its methods return is there once the parts have started.
type Router struct {
	opts     Options
	log      *slog.Logger
	listener net.Listener
	server   *embedded.Server
	bus      *bus.Bus
	store    *store.Store
	pipeline *pipeline.Pipeline
	outputs  *outputSet
	ingest   *bus.Publisher // of what others found
	tokens   []api.Token
	config   atomic.Pointer[configs.Config]
	reloaded prometheus.Gauge
	failures prometheus.Counter // to reload

	// Ready, when set, must also hold for /readyz: in one process, the sensor's. Rules, when set, are shown by the API.
	// LocalSensor is "cluster/host" of the sensor in this process, whose end nobody needs to be told.
	LocalSensor string
	Ready       func() error
	Rules       func() []api.RuleInfo
	// Reread, when set, reads all that the program is configured with again, when the API is asked to.
	Reread func(context.Context) error
}

// New prepares a router.
func New(opts Options) *Router {
	r := &Router{
		opts: opts, log: opts.Log,
		reloaded: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_config_last_reload_successful", Help: "1, or 0 when the configuration in force is older than its file, which is wrong."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "tocsin_config_reload_failures_total", Help: "Changes of the configuration that were wrong, so that the old one stayed."}),
	}
	r.reloaded.Set(1)
	opts.Registry.MustRegister(r.reloaded, r.failures)
	r.config.Store(opts.Config)
	return r
}

// AddTo adds the router's parts to a program. The address of the API is taken first: that is what most often fails.
func (r *Router) AddTo(g *lifecycle.Group) {
	g.Add("API", r.listen)
	g.Add("NATS", r.startServer)
	g.Add("connection to NATS", r.connect)
	g.Add("store", r.open)
	g.AddRun("router", r.run)
	g.Add("outputs", r.deliver)
	g.AddRun("watch of sensors", r.watchSensors)
	g.Add("API", r.serve)
	g.Add("metrics", r.serveMetrics)
}

// Bus is the connection to NATS.
func (r *Router) Bus() *bus.Bus { return r.bus }

// Store is the store.
func (r *Router) Store() *store.Store { return r.store }

// URL is where the API is.
func (r *Router) URL() string {
	scheme := "http://"
	if r.opts.Config.Server.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.listener.Addr().String()
}

func (r *Router) listen(context.Context) (lifecycle.Stop, error) {
	var err error
	if r.tokens, err = tokens(r.opts.Config); err != nil {
		return nil, err
	}
	if err := checkListen(r.opts.Config, r.tokens); err != nil {
		return nil, err
	}
	l, err := api.Listen(r.opts.Config.Server.Listen, r.tokens)
	if err != nil {
		return nil, err
	}
	r.listener = l
	return func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}, nil
}

func (r *Router) startServer(context.Context) (lifecycle.Stop, error) {
	e := r.opts.Config.NATS.Embedded
	if e == nil {
		return nil, nil
	}
	opts := embedded.Options{Dir: e.Dir, Listen: e.Listen, Log: r.log}
	if e.Sync != "always" {
		d, err := settings.ParseDuration(e.Sync)
		if err != nil {
			return nil, fmt.Errorf("nats.embedded.sync: %w", err)
		}
		opts.SyncInterval = d
	}
	if !e.Token.IsZero() {
		token, err := e.Token.Value()
		if err != nil {
			return nil, fmt.Errorf("nats.embedded.token: %w", err)
		}
		opts.Token = token
	}
	s, err := embedded.Start(opts)
	if err != nil {
		return nil, err
	}
	r.server = s
	return func(context.Context) error { s.Shutdown(); return nil }, nil
}

func (r *Router) connect(context.Context) (lifecycle.Stop, error) {
	var server nats.InProcessConnProvider
	if r.server != nil {
		server = r.server
	}
	b, err := connect.Open(r.opts.Config.NATS, server, r.opts.Name, r.log)
	if err != nil {
		return nil, err
	}
	r.bus = b
	spool, err := r.ingestSpool()
	if err != nil {
		b.Close()
		return nil, err
	}
	r.ingest = b.NewPublisher(bus.PublisherOptions{Cluster: r.opts.Config.Cluster, Host: r.opts.Config.Host, Spool: spool})
	return func(ctx context.Context) error {
		err := r.ingest.Close(ctx)
		b.Close()
		if spool != nil {
			err = errors.Join(err, spool.Close())
		}
		return err
	}, nil
}

func (r *Router) open(ctx context.Context) (lifecycle.Stop, error) {
	var opts store.Options
	if p := r.opts.Config.Store.Postgres; p != nil {
		dsn, err := p.DSN.Value()
		if err != nil {
			return nil, fmt.Errorf("store.postgres.dsn: %w", err)
		}
		opts.Postgres = dsn
	} else {
		opts.SQLite = r.opts.Config.Store.SQLite.Path
	}
	s, err := store.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	r.store = s
	table, err := Compile(r.opts.Config)
	if err == nil {
		n := r.opts.Config.NATS
		if n.MaxBytes == configs.Default().NATS.MaxBytes {
			n.MaxBytes = 0 // not chosen by anyone: the bus fits it to the disk
		}
		r.pipeline, err = pipeline.New(ctx, table, pipeline.Options{
			Bus: r.bus, Store: s, Retain: r.opts.Config.Store.Retain, Log: r.log, Registry: r.opts.Registry,
			Streams: bus.Streams{MaxAge: n.Retain, MaxBytes: int64(n.MaxBytes), Replicas: n.Replicas},
		})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return func(context.Context) error { return s.Close() }, nil
}

func (r *Router) run(ctx context.Context) error { return r.pipeline.Run(ctx) }

func (r *Router) deliver(ctx context.Context) (lifecycle.Stop, error) {
	if err := r.removed(ctx); err != nil {
		return nil, err
	}
	set, err := newOutputSet(r)
	if err != nil {
		return nil, err
	}
	err = set.apply(context.WithoutCancel(ctx), r.opts.Config)
	if err == nil {
		err = set.drain(ctx, r.opts.Removed.Drain)
	}
	if err != nil {
		return nil, errors.Join(err, set.stop(ctx))
	}
	r.outputs = set
	return set.stop, nil
}

func (r *Router) serve(context.Context) (lifecycle.Stop, error) {
	var tlsConfig *tls.Config
	if t := r.opts.Config.Server.TLS; t != nil {
		var err error
		if tlsConfig, err = serverTLS(t); err != nil {
			return nil, r.opts.Config.Errorf([]string{"server", "tls"}, "%v", err)
		}
	}
	return r.start(r.listener, r.handler(), tlsConfig), nil
}

// serveMetrics serves /metrics, /healthz and /readyz alone on a second address.
func (r *Router) serveMetrics(context.Context) (lifecycle.Stop, error) {
	addr := r.opts.Config.Server.Metrics
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with server.metrics", err)
	}
	return r.start(l, metrics.NewMux(r.ready, r.opts.Registry, r.opts.Config.Server.MetricsToken, "server.metrics_token"), nil), nil
}

// start serves until the returned function is called.
func (r *Router) start(l net.Listener, h http.Handler, t *tls.Config) lifecycle.Stop {
	srv := &http.Server{
		Handler: h, TLSConfig: t, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	go func() {
		var err error
		if t != nil {
			err = srv.ServeTLS(l, "", "")
		} else {
			err = srv.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	}()
	return func(ctx context.Context) error {
		// Streams to browsers do not end by themselves: a moment for answers under way is enough.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			return srv.Close()
		}
		return nil
	}
}

func serverTLS(c *configs.ServerTLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, err
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.ClientCA != "" {
		pem, err := os.ReadFile(c.ClientCA)
		if err != nil {
			return nil, err
		}
		t.ClientCAs = x509.NewCertPool()
		if !t.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.ClientCA)
		}
		t.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return t, nil
}

// Reload puts the routes, inhibition and outputs of the configuration that load reads in force. Other changes need a restart,
// and are said in the log. On an error everything stays as it is, and metrics show it.
func (r *Router) Reload(ctx context.Context, load func() (*configs.Config, error)) error {
	cfg, err := load()
	if err == nil {
		err = r.change(ctx, cfg)
	}
	if err != nil {
		r.reloaded.Set(0)
		r.failures.Inc()
		return err
	}
	r.reloaded.Set(1)
	return nil
}

// LogWarnings puts the warnings about a configuration into the log.
func LogWarnings(log *slog.Logger, cfg *configs.Config) {
	for _, w := range Warnings(cfg) {
		log.Warn("configuration", "warning", w.Error())
	}
}

func (r *Router) change(ctx context.Context, cfg *configs.Config) error {
	table, err := Compile(cfg)
	if err != nil {
		return err
	}
	LogWarnings(r.log, cfg)
	if err := r.checkRemoved(ctx, table.Outputs()); err != nil {
		return err
	}
	if err := r.pipeline.Reload(ctx, table); err != nil {
		return err
	}
	if err := r.outputs.apply(context.WithoutCancel(ctx), cfg); err != nil {
		return err
	}
	r.config.Store(cfg)
	return nil
}

// ready says why the router does not do its work, or nil.
func (r *Router) ready() error {
	if r.pipeline == nil || !r.pipeline.Ready() {
		return errors.New("router: not connected to NATS, or the store does not take findings")
	}
	if r.Ready != nil {
		return r.Ready()
	}
	return nil
}
