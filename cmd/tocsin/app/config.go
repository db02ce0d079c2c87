package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/cmd/internal/routing"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
	_ "github.com/tocsin-io/tocsin/outputs/all"
)

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Say what is wrong with a configuration."`
	Show   configShowCmd   `cmd:"" help:"Show a configuration with everything that it leaves to defaults; secrets are hidden."`
	Schema configSchemaCmd `cmd:"" help:"Write the JSON Schema of the configuration."`
}

// configFile is the flag of commands that read the configuration.
type configFile struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file; without one the defaults apply." env:"TOCSIN_CONFIG"`
}

// load reads and checks the configuration and prints its warnings.
func (c configFile) load(e *env) (*configs.Config, error) { return loadConfig(e, c.Config) }

func loadConfig(e *env, path string) (*configs.Config, error) {
	cfg, err := readConfig(path)
	if cfg != nil {
		for _, w := range cfg.Warnings {
			fmt.Fprintln(e.stderr, "warning:", w)
		}
	}
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// readConfig reads and checks; with an error stands what could be read, or nil.
func readConfig(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path, outputs.Types())
	if cfg == nil {
		return nil, err
	}
	cfg.Warnings = append(cfg.Warnings, routing.Warnings(cfg)...)
	return cfg, join(err, routing.Check(cfg))
}

// join tells what is wrong with the routes together with the rest: of two errors at one place the first, and none about a map of which a
// part could not be read.
func join(err, routes error) error {
	list, other := configErrors(err)
	more, otherToo := configErrors(routes)
	if other != nil || otherToo != nil {
		return errors.Join(err, routes)
	}
	for _, e := range more {
		if !slices.ContainsFunc(list, func(first *configs.Error) bool { return strings.HasPrefix(first.Path, e.Path+".") }) {
			list = append(list, e)
		}
	}
	seen := map[[2]int]bool{}
	list = slices.DeleteFunc(list, func(e *configs.Error) bool {
		at := [2]int{e.Line, e.Column}
		defer func() { seen[at] = true }()
		return e.Line > 0 && seen[at]
	})
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b *configs.Error) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return list
}

type configCheckCmd struct {
	File string `arg:"" optional:"" help:"Configuration file."`
	configFile
	output
}

func (configCheckCmd) Help() string {
	return `Examples:
  tocsin config check tocsin.yaml
  tocsin config check tocsin.yaml -o json | jq '.errors[]'`
}

func (c *configCheckCmd) Run(e *env) error {
	if c.File == "" {
		c.File = c.Config
	}
	if c.File == "" {
		return usageError{errors.New("say which file: tocsin config check FILE")}
	}
	if c.json() {
		type result struct {
			OK       bool             `json:"ok"`
			Errors   []*configs.Error `json:"errors"`
			Warnings []*configs.Error `json:"warnings"`
		}
		cfg, err := readConfig(c.File)
		errs, other := configErrors(err)
		if other != nil {
			return other
		}
		warnings := []*configs.Error{}
		if cfg != nil {
			warnings = append(warnings, cfg.Warnings...)
		}
		if err := writeJSON(e.stdout, result{len(errs) == 0, errs, warnings}); err != nil {
			return err
		}
		if len(errs) > 0 {
			return errFailed
		}
		return nil
	}
	if _, err := loadConfig(e, c.File); err != nil {
		fmt.Fprintln(e.stderr, err)
		return errFailed
	}
	_, err := fmt.Fprintln(e.stdout, c.File+": ok")
	return err
}

// configErrors splits what is wrong into the errors of the file and anything else.
func configErrors(err error) (configs.Errors, error) {
	list := configs.Errors{}
	var split func(error) error
	split = func(err error) error {
		switch x := err.(type) { //nolint:errorlint // it walks the tree itself
		case nil:
		case *configs.Error:
			list = append(list, x)
		case interface{ Unwrap() []error }:
			for _, e := range x.Unwrap() {
				if other := split(e); other != nil {
					return other
				}
			}
		default:
			return err
		}
		return nil
	}
	if other := split(err); other != nil {
		return nil, other
	}
	return list, nil
}

type configSchemaCmd struct{}

func (configSchemaCmd) Help() string {
	return `Editors check and complete a configuration with it.

Example:
  tocsin config schema > tocsin.schema.json`
}

func (configSchemaCmd) Run(e *env) error {
	text, err := configs.Schema(outputs.Types())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n", bytes.TrimSpace(text))
	return err
}
