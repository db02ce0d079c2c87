package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/finding"
)

// badLinesShown bounds the messages about a file that is no recording.
const badLinesShown = 5

type replayCmd struct {
	File string `arg:"" help:"Recording: JSON lines of Tocsin or Tracee; - is standard input."`
	ruleSources
	output
}

func (replayCmd) Help() string {
	return `The rules find in a recording what they found, or would have found, live. With -o json each finding is one line.

Examples:
  tocsin trace -e security_socket_connect --record events.jsonl
  tocsin replay events.jsonl --rules ./my-rules`
}

func (c *replayCmd) Run(e *env) error {
	var in io.Reader = e.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	list, failed := c.loadRules(e)
	out := newFindingWriter(e.stdout, c.json())
	found := 0
	var writeErr error
	engine, err := detect.New(detect.Options{Rules: list, Sink: func(h detect.Hit) {
		found++
		if writeErr == nil {
			writeErr = out.write(h.Finding())
		}
	}})
	if err != nil {
		return err
	}
	bad := 0
	n, err := ruletest.Replay(e.ctx, in, engine, func(err error) error {
		if bad++; bad <= badLinesShown {
			fmt.Fprintf(e.stderr, "tocsin: %s: %v\n", c.File, err)
		}
		return writeErr
	})
	if bad > badLinesShown {
		fmt.Fprintf(e.stderr, "tocsin: %s: %s more of which none is an event\n", c.File, plural(bad-badLinesShown, "line"))
	}
	var line *ruletest.LineError
	switch {
	case writeErr != nil:
		return writeErr
	case errors.As(err, &line):
		return fmt.Errorf("%s: %w", c.File, err)
	case err != nil:
		return err
	case n == 0 && bad > 0:
		return fmt.Errorf("%s is no recording: give one of \"tocsin trace --record\", or JSON lines of Tracee, not compressed", c.File)
	}
	fmt.Fprintf(e.stderr, "%s, %s, %s\n", plural(n, "event"), plural(found, "finding"), plural(len(list), "rule"))
	if bad > 0 || failed > 0 {
		return errFailed
	}
	return nil
}

// findingWriter writes findings as they come: a table or JSON lines.
type findingWriter struct {
	enc *json.Encoder
	t   *table.Writer
	any bool
}

func newFindingWriter(w io.Writer, asJSON bool) *findingWriter {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return &findingWriter{enc: enc}
	}
	return &findingWriter{t: table.New(w, table.Column{Title: "TIME", Width: 12}, table.Column{Title: "SEVERITY", Width: 8}, table.Column{Title: "RULE", Width: 26},
		table.Column{Title: "WHERE", Width: 14}, table.Column{Title: "WHAT", Flex: true})}
}

func (w *findingWriter) write(f *finding.Finding) error {
	if w.enc != nil {
		return w.enc.Encode(f)
	}
	if !w.any {
		w.any = true
		if err := w.t.Header(); err != nil {
			return err
		}
	}
	return w.t.Row(table.Cell{Text: f.Time.Local().Format("15:04:05.000"), Style: table.Dim}, severityCell(f.Severity), table.T(f.Rule.ID),
		table.T(where(f.Container, f.Kubernetes, f.Host)), table.T(f.Message))
}

// where names the place of a finding: pod, container or host.
func where(c *finding.Container, k *finding.Kubernetes, host string) string {
	switch {
	case k != nil && k.PodName != "":
		return k.Namespace + "/" + k.PodName
	case c != nil && c.Name != "":
		return c.Name
	case c != nil:
		return c.ID[:min(12, len(c.ID))]
	}
	return host
}
