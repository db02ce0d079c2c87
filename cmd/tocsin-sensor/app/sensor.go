// Package app is the command tocsin-sensor: the privileged half of Tocsin as a service. It sees events with eBPF, gives
// them to the rules, and publishes the findings to NATS. It can be imported, so that a build of one's own is a main.go that
// calls Main and imports packages with rules in Go.
package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/cmd/internal/connect"
	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/metrics"
	"github.com/tocsin-io/tocsin/cmd/internal/sensor"
	"github.com/tocsin-io/tocsin/cmd/internal/service"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/rules"
)

// Main is the whole program. It does not return.
func Main() {
	os.Exit(service.Program{
		Name: "tocsin-sensor", About: "sees events with eBPF, gives them to the rules, and publishes findings to NATS.", Main: run,
	}.Run(os.Args[1:]))
}

func run(ctx context.Context, o *service.Options) error {
	registry := metrics.NewRegistry()
	var nats *bus.Bus
	part := &sensor.Part{Config: o.Config, Builtin: rules.FS(), Bus: func() *bus.Bus { return nats }, Registry: registry, Log: o.Log}
	g := lifecycle.New(o.Log)
	g.Add("metrics", func(context.Context) (lifecycle.Stop, error) {
		return serve(o.Config.Sensor, registry, part)
	})
	g.Add("connection to NATS", func(context.Context) (lifecycle.Stop, error) {
		var err error
		if nats, err = connect.Open(o.Config.NATS, nil, "tocsin-sensor "+o.Config.Host, o.Log); err != nil {
			return nil, err
		}
		return func(context.Context) error { nats.Close(); return nil }, nil
	})
	part.AddTo(g)
	g.AddRun("reload", func(ctx context.Context) error {
		return lifecycle.Each(ctx, o.Hangup, func() { _ = part.Sensor().Reload() }) // it has logged why
	})
	return g.Run(ctx, func() {
		s := part.Sensor()
		o.Log.Info("ready", "rules", len(s.Rules()), "events", len(s.Events()), "metrics", o.Config.Sensor.Listen)
	})
}

// serve answers /healthz and /readyz, which tell nothing but that; /metrics, to who has the token or is on this host; and /v1/reload, to
// who is on this host.
func serve(config configs.Sensor, registry *prometheus.Registry, part *sensor.Part) (lifecycle.Stop, error) {
	addr := config.Listen
	if addr == "" || addr == "off" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with sensor.listen", err)
	}
	mux := metrics.NewMux(part.Ready, registry, config.MetricsToken, "sensor.metrics_token")
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, r *http.Request) {
		if !metrics.Local(r) {
			http.Error(w, "reload is only for this host: use a loopback address", http.StatusForbidden)
		} else if err := part.Ready(); part.Sensor() == nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		} else if err := part.Sensor().Reload(); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	srv := &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	go func() { _ = srv.Serve(l) }() // ends with Shutdown
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return srv.Shutdown(ctx)
	}, nil
}
