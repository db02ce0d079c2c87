package app

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
)

// block is a fenced block of a page in Markdown, with the comment before it: "<!-- key: value -->".
var block = regexp.MustCompile("(?m)^(?:<!-- (\\w+): (\\S+) -->\n)?```(\\w+)\n((?s:.*?))^```$")

// TestRulesPage does what docs/rules.md says: it writes the files, runs the commands, and looks for the output that is shown. A line that
// begins with "!" must fail.
func TestRulesPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	repository, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	tocsin, err := exec.LookPath("tocsin") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tocsin is %s", tocsin)
	work := t.TempDir()
	var output []byte
	for _, m := range block.FindAllStringSubmatch(string(page), -1) {
		key, value, kind, text := m[1], m[2], m[3], m[4]
		switch {
		case key == "file":
			file := filepath.Join(work, value)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		case kind == "text":
			contains(t, output, text)
		case kind == "sh":
			if value == "bpf" && bpf.CheckPrivileges() != nil {
				t.Logf("not run, since BPF programs cannot be loaded here:\n%s", text)
				continue
			}
			dir := work
			if value == "repository" {
				dir = repository
			}
			output = shell(t, dir, work, text)
		}
	}
}

// shell runs the commands.
func shell(t *testing.T, dir, work, text string) []byte {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "! "); ok {
			line = "if " + strings.TrimSpace(rest) + "; then echo it should fail; exit 1; fi\n"
		}
		script.WriteString(line)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "WORK="+work, "COLUMNS=", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	return out
}

// contains fails when a line is not in the output; spaces do not count.
func contains(t *testing.T, output []byte, text string) {
	t.Helper()
	words := func(s []byte) []byte { return bytes.Join(bytes.Fields(s), []byte(" ")) }
	for line := range strings.Lines(text) {
		if !bytes.Contains(words(output), words([]byte(line))) {
			t.Errorf("%q is not in the output:\n%s", strings.TrimSpace(line), output)
		}
	}
}
