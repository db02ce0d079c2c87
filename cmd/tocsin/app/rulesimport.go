package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tocsin-io/tocsin/detect/importer"
)

type rulesImportCmd struct {
	Falco importFalcoCmd `cmd:"" help:"Turn Falco rules into Rego rules."`
	Sigma importSigmaCmd `cmd:"" help:"Turn Sigma rules for Linux into Rego rules."`
}

// importFiles is the arguments of both.
type importFiles struct {
	Files []string `arg:"" name:"file" help:"Files to read; - is standard input."`
	Dir   string   `short:"d" required:"" placeholder:"DIR" help:"Folder to write the rules to."`
	output
}

type importFalcoCmd struct{ importFiles }

func (importFalcoCmd) Help() string {
	return `Lists, macros, conditions and exceptions are carried over where Tocsin's events have the facts. What cannot be carried over
is named, and such a rule is not written. Several files are read as Falco reads them: later ones may append to or override
what earlier ones define.

Example:
  tocsin rules import falco falco_rules.yaml -d my-rules && tocsin rules check my-rules`
}

func (c *importFalcoCmd) Run(e *env) error { return c.run(e, importer.Falco) }

type importSigmaCmd struct{ importFiles }

func (c *importSigmaCmd) Run(e *env) error {
	return c.run(e, func(files ...importer.File) *importer.Result {
		var all []*importer.Result
		for _, f := range files {
			all = append(all, importer.Sigma(f.Name, f.Text))
		}
		return importer.Join(all...)
	})
}

func (c importFiles) run(e *env, convert func(...importer.File) *importer.Result) error {
	var files []importer.File
	for _, name := range c.Files {
		src, err := readInput(e, name)
		if err != nil {
			return err
		}
		files = append(files, importer.File{Name: name, Text: src})
	}
	all := importer.Join(convert(files...))
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for _, r := range all.Rules {
		if err := os.WriteFile(filepath.Join(c.Dir, r.File), []byte(r.Rego), 0o644); err != nil {
			return err
		}
	}
	type place struct{ file, rule string }
	lost := map[place]bool{}
	for _, p := range all.Problems {
		if !p.LeftOut {
			lost[place{p.File, p.Rule}] = true
		}
	}
	if c.json() {
		if err := writeJSON(e.stdout, all); err != nil {
			return err
		}
	} else {
		for _, p := range all.Problems {
			fmt.Fprintln(e.stderr, p)
		}
		fmt.Fprintf(e.stdout, "Wrote %s to %s; %s could not be carried over\n", plural(len(all.Rules), "rule"), c.Dir, plural(len(lost), "rule"))
	}
	if len(lost) > 0 {
		return errFailed
	}
	return nil
}

// readInput reads a file, or standard input for "-".
func readInput(e *env, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(e.stdin, 64<<20))
	}
	return os.ReadFile(name)
}
