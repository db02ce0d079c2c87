package routing

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-io/tocsin/api"
	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/cmd/internal/version"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
)

// tokens reads the tokens of the API.
func tokens(cfg *configs.Config) ([]api.Token, error) {
	if cfg.Server.Tokens.IsZero() {
		return nil, nil
	}
	text, err := cfg.Server.Tokens.Value()
	if err != nil {
		return nil, cfg.Errorf([]string{"server", "tokens"}, "%v", err)
	}
	list, err := api.ParseTokens(text)
	if err != nil {
		return nil, cfg.Errorf([]string{"server", "tokens"}, "%v", err)
	}
	return list, nil
}

// Check finds what is wrong with a configuration for the router: its routes, and the address of the API. The error is
// configs.Errors.
func Check(cfg *configs.Config) error {
	var all configs.Errors
	if _, err := Compile(cfg); err != nil {
		all = append(all, err.(configs.Errors)...) //nolint:errorlint // it returns nothing else
	}
	if _, err := outputs.ReadTemplates(cfg.Templates); err != nil {
		all = append(all, placed(cfg, cfg.Errorf([]string{"templates"}, "%v", err)))
	}
	list, err := tokens(cfg)
	if err == nil {
		err = checkListen(cfg, list)
	}
	if err != nil {
		all = append(all, placed(cfg, err))
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func checkListen(cfg *configs.Config, list []api.Token) error {
	if err := api.CheckListen(cfg.Server.Listen, list); err != nil {
		return cfg.Errorf([]string{"server", "listen"}, "%v", err)
	}
	return nil
}

// handler is everything that the API's address serves.
func (r *Router) handler() http.Handler {
	return api.New(api.Options{
		Store: r.store, Table: r.pipeline.Table, Findings: r.ingest, Outputs: outputView{r}, Rules: r.Rules, Tokens: r.tokens,
		Ready: r.ready, Reload: r.Reread, Registry: r.opts.Registry, Version: version.Get().Version, Log: r.log,
	})
}

// outputView shows the outputs to the API.
type outputView struct{ r *Router }

func (v outputView) List() []api.OutputInfo {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	backlogs, err := v.r.pipeline.Backlogs(ctx)
	if err != nil {
		v.r.log.Warn("backlogs of outputs", "error", err)
	}
	out := []api.OutputInfo{}
	for _, s := range v.r.outputs.status() {
		info := api.OutputInfo{
			Name: s.Output, Type: s.config.Type, Target: outputs.Target(s.config.Settings), State: s.State, Backlog: backlogs[bus.Token(s.Output)],
			Removed: s.removed, Until: s.Until,
		}
		if s.State != "ok" { // what was wrong once is in the log
			info.Error = s.LastError
		}
		out = append(out, info)
	}
	return out
}

// Test sends a test notification past the queue, and returns what the destination said.
func (v outputView) Test(ctx context.Context, name string) error {
	return TestOutput(ctx, v.r.config.Load(), name, v.r.bus.State())
}

// TestOutput sends a test notification to a configured output.
func TestOutput(ctx context.Context, cfg *configs.Config, name string, state outputs.State) error {
	o, ok := cfg.Outputs[name]
	if !ok {
		return fmt.Errorf("no output is named %q", name)
	}
	templates, err := outputs.ReadTemplates(cfg.Templates)
	if err != nil {
		return err
	}
	out, err := outputs.Open(o.Settings, outputEnv(cfg, name, state, templates))
	if err != nil {
		return err
	}
	defer out.Close()
	timeout := o.Timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	now := time.Now()
	return out.Send(ctx, []finding.Notification{{ID: fmt.Sprintf("test-%s-%d", name, now.UnixNano()), Kind: finding.KindTest, Output: name, Time: now}})
}

func outputEnv(cfg *configs.Config, name string, state outputs.State, templates *outputs.Templates) outputs.Env {
	return outputs.Env{Name: name, State: state, Version: version.Get().Version, ExternalURL: cfg.Server.ExternalURL, Templates: templates}
}
