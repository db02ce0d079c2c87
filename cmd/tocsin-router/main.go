// Command tocsin-router is the unprivileged half of Tocsin as a service: it turns findings from NATS into alerts and
// notifications, and serves the REST API.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/memory"
	"github.com/tocsin-io/tocsin/cmd/internal/metrics"
	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/cmd/internal/service"
	"github.com/tocsin-io/tocsin/cmd/internal/slack"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
	_ "github.com/tocsin-io/tocsin/outputs/all" // registers the types of outputs
)

func main() {
	slack.Timer()
	var f removed
	os.Exit(service.Program{
		Name: "tocsin-router", About: "turns findings into alerts, tells the outputs, and serves the API.",
		Types: outputs.Types(), Flags: f.add,
		Main: func(ctx context.Context, o *service.Options) error { return run(ctx, o, f) },
	}.Run(os.Args[1:]))
}

// removed is what becomes of outputs that the configuration no longer has.
type removed struct{ drain, discard string }

func (r *removed) add(flags *flag.FlagSet) {
	flags.StringVar(&r.drain, "drain", "", "older configuration `file`: deliver first what waits for outputs that only it has")
	flags.StringVar(&r.discard, "discard", "", "`outputs` that the configuration no longer has, separated by commas: delete what waits for them")
}

func run(ctx context.Context, o *service.Options, f removed) error {
	memory.Router()
	if err := routing.Check(o.Config); err != nil {
		return err
	}
	routing.LogWarnings(o.Log, o.Config)
	r, err := routing.LoadRemoved(f.drain, strings.FieldsFunc(f.discard, func(c rune) bool { return c == ',' }))
	if err != nil {
		return err
	}
	router := routing.New(routing.Options{Config: o.Config, Name: "tocsin-router", Registry: metrics.NewRegistry(), Log: o.Log, Removed: r})
	var reloading sync.Mutex
	router.Reread = func(ctx context.Context) error {
		reloading.Lock()
		defer reloading.Unlock()
		err := router.Reload(ctx, func() (*configs.Config, error) {
			cfg, err := configs.Load(o.File, outputs.Types())
			if err != nil {
				return nil, err
			}
			return cfg, routing.Check(cfg)
		})
		if err != nil {
			o.Log.Error("configuration not reloaded: the old one stays", "error", err)
			return fmt.Errorf("reload configuration: %w", err)
		}
		o.Log.Info("configuration reloaded", "file", o.File)
		return nil
	}
	g := lifecycle.New(o.Log)
	router.AddTo(g)
	g.AddRun("reload", func(ctx context.Context) error {
		return lifecycle.Each(ctx, o.Hangup, func() { _ = router.Reread(ctx) }) // it has logged why
	})
	return g.Run(ctx, func() { o.Log.Info("ready", "api", router.URL(), "outputs", len(o.Config.Outputs)) })
}
