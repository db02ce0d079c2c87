package app

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/finding"
)

// output is the flag of commands that print data.
type output struct {
	Output string `short:"o" help:"Form of the output: table or json." enum:"table,json" default:"table"`
}

func (o output) json() bool { return o.Output == "json" }

// writeJSON writes v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// severityStyles colour severities the same everywhere.
var severityStyles = map[finding.Severity]table.Style{
	finding.Info: table.Dim, finding.Low: table.Cyan, finding.Medium: table.Yellow, finding.High: table.Red, finding.Critical: table.Alarm,
}

func severityCell(s finding.Severity) table.Cell {
	return table.Cell{Text: s.String(), Style: severityStyles[s]}
}

// plural writes a count with its noun: "1 rule", "2 rules".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// readAll returns the text of a small file, or what could be read of it.
func readAll(r io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(r, 1<<20))
	return string(b)
}
