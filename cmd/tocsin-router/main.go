// Command tocsin-router is the unprivileged half of Tocsin as a service: it turns findings from NATS into alerts and
// notifications, and serves the REST API.
package main

import (
	"context"
	"os"

	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/metrics"
	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/cmd/internal/service"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
	_ "github.com/tocsin-io/tocsin/outputs/all" // registers the types of outputs
)

func main() {
	os.Exit(service.Program{
		Name: "tocsin-router", About: "turns findings into alerts, tells the outputs, and serves the API.",
		Types: outputs.Types(), Main: run,
	}.Run(os.Args[1:]))
}

func run(ctx context.Context, o *service.Options) error {
	if err := routing.Check(o.Config); err != nil {
		return err
	}
	router := routing.New(routing.Options{Config: o.Config, Name: "tocsin-router", Registry: metrics.NewRegistry(), Log: o.Log})
	g := lifecycle.New(o.Log)
	router.AddTo(g)
	g.AddRun("reload", func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-o.Hangup:
			}
			cfg, err := configs.Load(o.File, outputs.Types())
			if err == nil {
				err = routing.Check(cfg)
			}
			if err == nil {
				err = router.Reload(ctx, cfg)
			}
			if err != nil {
				o.Log.Error("configuration not reloaded: the old one stays", "error", err)
				continue
			}
			o.Log.Info("configuration reloaded", "file", o.File)
		}
	})
	return g.Run(ctx, func() { o.Log.Info("ready", "api", router.URL(), "outputs", len(o.Config.Outputs)) })
}
