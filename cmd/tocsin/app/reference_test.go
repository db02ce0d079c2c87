package app

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// writeReference writes all commands with their help as Markdown: docs/cli.md.
func writeReference(w io.Writer, app *kong.Kong) error {
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the program; `go test ./cmd/tocsin/app -run TestReference -update` writes it again.\n\n" +
		"Exit codes: 0 when all is well, 1 when a check failed or something could not be done, 2 for a mistake in the call.\n\n")
	b.WriteString("| Command | Does |\n| --- | --- |\n")
	var leaves []*kong.Node
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, c := range n.Children {
			if c.Type != kong.CommandNode || c.Hidden {
				continue
			}
			if len(c.Children) == 0 {
				leaves = append(leaves, c)
			}
			walk(c)
		}
	}
	walk(app.Model.Node)
	for _, n := range leaves {
		name := commandPath(n)
		fmt.Fprintf(&b, "| [`tocsin %s`](#tocsin-%s) | %s |\n", name, strings.ReplaceAll(name, " ", "-"), escapeCell(n.Help))
	}
	b.WriteString("\nEvery command takes these:\n\n")
	writeFlags(&b, app.Model.Flags)
	for _, n := range leaves {
		fmt.Fprintf(&b, "\n## tocsin %s\n\n%s\n\n```\n%s\n```\n", commandPath(n), n.Help, n.Summary())
		if n.Detail != "" {
			text, examples, _ := strings.Cut(n.Detail, "Example")
			if text = strings.TrimSpace(text); text != "" {
				fmt.Fprintf(&b, "\n%s\n", text)
			}
			if _, examples, ok := strings.Cut(examples, "\n"); ok {
				fmt.Fprintf(&b, "\n```sh\n%s\n```\n", dedent(examples))
			}
		}
		if len(n.Positional)+len(n.Flags) > 0 {
			b.WriteByte('\n')
		}
		for _, p := range n.Positional {
			fmt.Fprintf(&b, "- `%s`: %s\n", p.Summary(), p.Help)
		}
		writeFlags(&b, n.Flags)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func commandPath(n *kong.Node) string { return strings.TrimPrefix(n.FullPath(), "tocsin ") }

func writeFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		name := "--" + f.Name
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		if f.Short != 0 {
			name = fmt.Sprintf("-%c, %s", f.Short, name)
		}
		fmt.Fprintf(b, "- `%s`: %s\n", name, f.Help)
	}
}

func escapeCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func dedent(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n "), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}
