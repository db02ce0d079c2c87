package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/api"
	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/logging"
	"github.com/tocsin-io/tocsin/cmd/internal/metrics"
	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/cmd/internal/sensor"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/cmd/internal/version"
	"github.com/tocsin-io/tocsin/cmd/internal/watch"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

type runCmd struct {
	configFile
	ruleSources
	Enable  []string `placeholder:"RULE" help:"Use a rule that is off by default; globs."`
	Disable []string `placeholder:"RULE" help:"Leave a rule out; globs."`
	DataDir string   `placeholder:"DIR" help:"Where everything that must survive a restart is kept; /var/lib/tocsin by default."`
	Listen  string   `placeholder:"ADDRESS" help:"Address of the API; 127.0.0.1:8700 by default."`
	Drain   string   `placeholder:"FILE" help:"Older configuration: deliver first what waits for outputs that only it has."`
	Discard []string `placeholder:"OUTPUT" help:"Output that the configuration no longer has: delete what waits for it."`
	output
}

func (runCmd) Help() string {
	return `Works without any configuration: built-in rules, alerts on this terminal, kept in /var/lib/tocsin, served at
127.0.0.1:8700. SIGHUP, or a change of a file, reloads rules and configuration.

Examples:
  sudo tocsin run
  sudo tocsin run --rules ./my-rules
  sudo tocsin run -c tocsin.yaml -o json`
}

func (c *runCmd) Run(e *env) error {
	cfg, err := c.config(e)
	if err != nil {
		return err
	}
	if err := privileges(); err != nil {
		return err
	}
	unlock, err := lockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	removed, err := routing.LoadRemoved(c.Drain, c.Discard)
	if err != nil {
		return err
	}
	registry := metrics.NewRegistry()
	router := routing.New(routing.Options{Config: cfg, Name: "tocsin", Registry: registry, Log: e.log, Removed: removed})
	part := &sensor.Part{Config: cfg, Builtin: rules.FS(), Bus: router.Bus, Registry: registry, Log: e.log}
	router.Ready, router.LocalSensor = part.Ready, cfg.Cluster+"/"+cfg.Host
	router.Rules = func() []api.RuleInfo { return ruleInfos(part) }
	var reloading sync.Mutex
	router.Reread = func(ctx context.Context) error {
		reloading.Lock()
		defer reloading.Unlock()
		if part.Sensor() == nil {
			return errors.New("not reloaded: the program is still starting")
		}
		return c.reload(ctx, e, router, part)
	}
	g := lifecycle.New(e.log)
	router.AddTo(g)
	part.AddTo(g)
	g.AddRun("alerts on the terminal", func(ctx context.Context) error {
		return follow(ctx, router.Store(), newAlertWriter(e.stdout, c.json()))
	})
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	g.AddRun("reload", func(ctx context.Context) error {
		return lifecycle.Each(ctx, hangup, func() { _ = router.Reread(ctx) }) // it has logged why
	})
	g.AddRun("watch of the configuration", func(ctx context.Context) error {
		return watch.File(ctx, c.Config, func() {
			select {
			case hangup <- syscall.SIGHUP:
			case <-ctx.Done():
			}
		})
	})

	progress := e.stderr
	if !logging.IsTerminal(e.stderr) {
		progress = io.Discard
	}
	fmt.Fprint(progress, "Starting …\r")
	return g.Run(e.ctx, func() {
		out := e.stdout
		if c.json() {
			out = e.stderr
		}
		banner(out, cfg, router, part)
	})
}

// config reads the configuration and lays the flags over it.
func (c *runCmd) config(e *env) (*configs.Config, error) {
	cfg, err := c.load(e)
	if err != nil {
		return nil, err
	}
	if c.DataDir != "" {
		dir, err := filepath.Abs(c.DataDir)
		if err != nil {
			return nil, err
		}
		cfg.SetDataDir(dir)
	}
	if c.Listen != "" {
		cfg.Server.Listen = c.Listen
		if err := routing.Check(cfg); err != nil {
			return nil, err
		}
	}
	cfg.Sensor.Rules = append(cfg.Sensor.Rules, c.Rules...)
	cfg.Sensor.Enable = append(cfg.Sensor.Enable, c.Enable...)
	cfg.Sensor.Disable = append(cfg.Sensor.Disable, c.Disable...)
	cfg.Sensor.Wasm = cfg.Sensor.Wasm || c.Wasm
	cfg.Sensor.Builtin = cfg.Sensor.Builtin && !c.NoBuiltin
	for _, dir := range cfg.Sensor.Rules {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
	}
	return cfg, nil
}

// reload reads rules and configuration again. What is wrong is logged, and the old ones stay.
func (c *runCmd) reload(ctx context.Context, e *env, router *routing.Router, part *sensor.Part) error {
	err := router.Reload(ctx, func() (*configs.Config, error) { return c.config(e) })
	if err != nil {
		e.log.Error("configuration not reloaded: the old one stays", "error", err)
		err = fmt.Errorf("reload configuration: %w", err)
	} else {
		e.log.Info("configuration reloaded", "file", c.Config)
	}
	return errors.Join(err, part.Sensor().Reload())
}

// ruleInfos describes the rules in force for the API.
func ruleInfos(part *sensor.Part) []api.RuleInfo {
	out := []api.RuleInfo{}
	for _, r := range part.Sensor().RuleList() {
		m := r.Metadata()
		unavailable := map[string]string{}
		for _, name := range strings.Fields(eventNames(r.Selectors())) {
			if c := part.Kernel().Features().Hooks(name); name != "*" && c.Hook == nil && !madeInUserSpace(c.Reason) {
				unavailable[name] = c.Reason
			}
		}
		out = append(out, api.RuleInfo{
			Rule: finding.Rule{
				ID: m.ID, Name: m.Name, Version: m.Version, Description: m.Description, Tags: m.Tags, References: m.References,
				FalsePositives: m.FalsePositives, Response: m.Response, Properties: m.Properties,
			},
			Severity: m.Severity, Attack: m.Attack, Events: strings.Fields(eventNames(r.Selectors())), Source: m.File,
			Unavailable: unavailable,
		})
	}
	return out
}

// banner says what is watched, where the API is, and what to try next.
func banner(w io.Writer, cfg *configs.Config, router *routing.Router, part *sensor.Part) {
	s := part.Sensor()
	_, color := table.Terminal(w)
	bold := func(s string) string {
		if color {
			return "\x1b[1m" + s + "\x1b[0m"
		}
		return s
	}
	own, try := 0, ""
	for _, m := range s.Rules() {
		if !strings.HasPrefix(m.File, "builtin/") {
			own++
		}
		if m.ID == "container_runtime_socket" {
			try = "Try " + bold("sudo tocsin simulate container_runtime_socket") + " in another terminal. "
		}
	}
	hooks := map[string]int{}
	var kinds []string
	for _, name := range s.Events() {
		if h := part.Kernel().Features().Hooks(name).Hook; h != nil {
			if hooks[string(h.Kind)] == 0 {
				kinds = append(kinds, string(h.Kind))
			}
			hooks[string(h.Kind)]++
		}
	}
	slices.Sort(kinds)
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d by %s", hooks[k], k)
	}
	fmt.Fprintf(w, "%s %s watches %s\n\n", bold("Tocsin"), version.Get().Version, cfg.Host)
	line := func(name, format string, a ...any) { fmt.Fprintf(w, "  %-8s %s\n", name, fmt.Sprintf(format, a...)) }
	line("Rules", "%d built-in, %d of your own", len(s.Rules())-own, own)
	if n := len(s.Problems()); n > 0 {
		line("", "%s could not be used:", plural(n, "file"))
		for _, p := range s.Problems() {
			line("", "  %s", p)
		}
	}
	line("Events", "%d (%s)", len(s.Events())-len(s.Missing()), strings.Join(kinds, ", "))
	if n := len(s.Missing()); n > 0 {
		line("", "%s cannot be had on this kernel (tocsin doctor says why)", plural(n, "event"))
	}
	line("Alerts", "%s/alerts", router.URL())
	if names := outputNames(cfg); names != "" {
		line("", "to %s", names)
	}
	line("Data", "%s", cfg.DataDir)
	fmt.Fprintf(w, "\n%sCtrl-C ends Tocsin.\n\n", try)
}

func outputNames(cfg *configs.Config) string {
	var names []string
	for name, o := range cfg.Outputs {
		names = append(names, name+" ("+o.Type+")")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// lockDir takes the data directory for this process: two would spoil each other's files.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w; choose another data directory with --data-dir", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another data directory with --data-dir", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another Tocsin uses the data directory %s: stop it, or choose another with --data-dir", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
