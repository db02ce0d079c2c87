// Package service is what the programs that run as services have in common: flags, signals and the log.
package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tocsin-io/tocsin/cmd/internal/logging"
	"github.com/tocsin-io/tocsin/cmd/internal/version"
	"github.com/tocsin-io/tocsin/cmd/internal/watch"
	"github.com/tocsin-io/tocsin/configs"
)

// Program is one service.
type Program struct {
	Name, About string
	Types       configs.Types       // of outputs; nil where they are not looked at
	Flags       func(*flag.FlagSet) // adds flags of its own; nil for none
	// Main runs until ctx is done. Each value on Options.Hangup asks to read rules and configuration again.
	Main func(ctx context.Context, o *Options) error
}

// Options are what a service starts from.
type Options struct {
	File   string // of the configuration; empty for the defaults
	Config *configs.Config
	Log    *slog.Logger
	Hangup <-chan os.Signal // SIGHUP, or the file was changed
}

// Run parses the command line, runs the program, and returns its exit code: 0 after a clean stop, 1 when it failed, 2
// for a mistake in its flags. A second signal kills.
func (p Program) Run(args []string) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	file := flags.String("c", os.Getenv("TOCSIN_CONFIG"), "configuration `file`; without one the defaults apply")
	format := flags.String("log-format", "", "form of the log: text, json or auto (text on a terminal); by default as configured")
	level := flags.String("log-level", "", "least level of the log: debug, info, warn or error; by default as configured")
	showVersion := flags.Bool("version", false, "show the version")
	if p.Flags != nil {
		p.Flags(flags)
	}
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "%s %s\n\nUsage: %s [-c FILE]\n\n", p.Name, p.About, p.Name)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q\n", p.Name, flags.Arg(0))
		flags.Usage()
		return 2
	}
	if *showVersion {
		v := version.Get()
		fmt.Println(p.Name, v.Version, v.Commit, v.Go, v.Arch)
		return 0
	}
	cfg, err := configs.Load(*file, p.Types)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	log, err := logging.New(os.Stderr, first(*format, cfg.Log.Format), first(*level, cfg.Log.Level))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		return 2
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w.Error())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a second signal kills
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go func() {
		err := watch.File(ctx, *file, func() {
			select {
			case hangup <- syscall.SIGHUP:
			case <-ctx.Done():
			}
		})
		if err != nil {
			log.Warn("changes of the configuration are not seen: use SIGHUP", "error", err)
		}
	}()
	if err := p.Main(ctx, &Options{File: *file, Config: cfg, Log: log, Hangup: hangup}); err != nil {
		log.Error("failed", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
