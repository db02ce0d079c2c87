// Package app is the command tocsin: Tocsin on one host, and its operator's tool; see "tocsin --help" and docs/design.md.
// It can be imported, so that a build of one's own is a main.go that calls Main and imports packages with rules in Go.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tocsin-io/tocsin/cmd/internal/logging"
	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/simulate"
)

// cli is the command line.
type cli struct {
	LogLevel  string `help:"Least level of the program's own log: debug, info, warn, error." default:"${loglevel}" enum:"debug,info,warn,error"`
	LogFormat string `help:"Form of the log: text, json, or auto (text on a terminal)." default:"auto" enum:"auto,text,json"`

	Run         runCmd         `cmd:"" group:"watch" help:"Watch this host: sensor, rules, router and API in one process."`
	Trace       traceCmd       `cmd:"" group:"watch" help:"Show live events, without rules."`
	Events      eventsCmd      `cmd:"" group:"watch" help:"List the events that can be watched, with their arguments."`
	Replay      replayCmd      `cmd:"" group:"watch" help:"Give recorded events to the rules."`
	Simulate    simulateCmd    `cmd:"" group:"watch" help:"Trigger built-in rules for real, harmlessly."`
	Rules       rulesCmd       `cmd:"" group:"author" help:"List, check and test rules."`
	Config      configCmd      `cmd:"" group:"author" help:"Check and show the configuration."`
	Routes      routesCmd      `cmd:"" group:"author" help:"Test the routes of a configuration."`
	Alerts      alertsCmd      `cmd:"" group:"operate" help:"List, show and watch alerts."`
	Silences    silencesCmd    `cmd:"" group:"operate" help:"List, add and end silences."`
	Outputs     outputsCmd     `cmd:"" group:"operate" help:"List and test the outputs."`
	DeadLetters deadLettersCmd `cmd:"" group:"operate" help:"List and retry notifications that were given up."`
	Doctor      doctorCmd      `cmd:"" group:"operate" help:"Say what this host offers, and what is missing."`
	Completion  completionCmd  `cmd:"" group:"operate" help:"Write a completion script for a shell."`
	Version     versionCmd     `cmd:"" group:"operate" help:"Show the version."`
}

// env is what commands work with.
type env struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	log    *slog.Logger
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a check failed, a mismatch, something could not be done
	exitUsage  = 2
)

// errFailed ends a command with exitFailed whose output has said why.
var errFailed = errors.New("failed")

// usageError is a mistake in how a command was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// Main is the whole program. It does not return.
func Main() {
	simulate.Main() // does not return in a process that is a step of a simulation
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks for a clean stop; from then on a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	var c cli
	exited := false
	parser, err := newParser(&c, stdout, stderr, func(int) { exited = true })
	if err != nil {
		fmt.Fprintln(stderr, "tocsin:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited {
		return exitOK // --help has been shown
	}
	if err != nil {
		fmt.Fprintf(stderr, "tocsin: %v\n", err)
		var parse *kong.ParseError
		if errors.As(err, &parse) && parse.Context != nil && parse.Context.Command() != "" {
			fmt.Fprintf(stderr, "Try: tocsin %s --help\n", firstWords(parse.Context.Command()))
		} else {
			fmt.Fprintln(stderr, "Try: tocsin --help")
		}
		return exitUsage
	}
	log, err := logging.New(stderr, c.LogFormat, c.LogLevel)
	if err != nil {
		fmt.Fprintln(stderr, "tocsin:", err)
		return exitUsage
	}
	e := &env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, log: log}
	err = kctx.Run(e, parser)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "tocsin: %v\nTry: tocsin %s --help\n", err, firstWords(kctx.Command()))
		return exitUsage
	case errors.Is(err, syscall.EPIPE):
		return exitOK // whoever read the output has seen enough
	}
	fmt.Fprintln(stderr, "tocsin:", err)
	return exitFailed
}

func newParser(c *cli, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("tocsin"),
		kong.Description("Runtime security for Linux hosts and containers: sees with eBPF, decides with rules, alerts reliably."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Vars{"loglevel": "warn"},
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)), // days and weeks, as in the configuration
		kong.ExplicitGroups([]kong.Group{
			{Key: "watch", Title: "Watch"},
			{Key: "author", Title: "Rules and configuration"},
			{Key: "operate", Title: "Operate"},
		}),
	)
}

func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := settings.ParseDuration(text)
	if err != nil {
		return err
	}
	target.SetInt(int64(d))
	return nil
}

// firstWords returns a command without its arguments: "rules check", not "rules check <dir>".
func firstWords(command string) string {
	words := strings.Fields(command)
	for i, w := range words {
		if strings.HasPrefix(w, "<") || strings.HasPrefix(w, "[") {
			words = words[:i]
			break
		}
	}
	return strings.Join(words, " ")
}
