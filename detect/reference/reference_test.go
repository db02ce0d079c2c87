package reference_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/reference"
	"github.com/tocsin-io/tocsin/rules"
	"github.com/tocsin-io/tocsin/simulate"
)

var update = flag.Bool("update", false, "write docs/rules")

func builtin(t *testing.T) []reference.Rule {
	t.Helper()
	list, errs := detect.Load(detect.Source{FS: rules.FS(), Name: "rules"})
	if errs != nil {
		t.Fatal(errs)
	}
	out := reference.Of(list)
	files := map[string]rules.File{}
	for _, f := range rules.Files() {
		files[f.ID] = f
	}
	for i := range out {
		r := &out[i]
		r.Tactic, r.Source = files[r.ID].Tactic, "../../rules/"+files[r.ID].Path
		if s, ok := simulate.ByRule(r.ID); ok && s.Untriggerable == "" {
			r.Simulation = s.Does
			if s.Module {
				r.Options = " --module tocsin_rootkit.ko"
				r.Simulation += " The module is test/kernel/module of the sources, compiled for the running kernel: for a machine of its own."
			}
		}
	}
	return out
}

// TestDocs holds docs/rules equal to the rules. "go test ./detect/reference -update" writes it.
func TestDocs(t *testing.T) {
	list := builtin(t)
	want := map[string]string{"README.md": reference.Index(list)}
	for _, r := range list {
		want[r.ID+".md"] = reference.Page(r)
	}
	c := reference.Cover(list)
	want["attack.md"], want["attack-navigator.json"] = c.Markdown(), string(c.Navigator())
	dir := filepath.Join("..", "..", "docs", "rules")
	have, err := os.ReadDir(dir)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, f := range have {
		if _, ok := want[f.Name()]; ok || f.Name() == comparison {
			continue
		}
		if !*update {
			t.Errorf("docs/rules/%s is of no rule", f.Name())
		} else if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			t.Error(err)
		}
	}
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range want {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("docs/rules/%s is not what the rules say (%v): run go test ./detect/reference -update", name, err)
		}
	}
}

// comparison is a page of docs/rules that people write.
const comparison = "comparison.md"

// TestComparison holds that the comparison with others names rules that exist, and marks those that are off by default.
func TestComparison(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules", comparison))
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]bool{}
	for _, r := range builtin(t) {
		on[r.ID] = !r.Disabled
	}
	for _, m := range regexp.MustCompile(`(\*?)\[([a-z0-9_]+)\]\(([a-z0-9_]+)\.md\)`).FindAllStringSubmatch(string(text), -1) {
		enabled, ok := on[m[2]]
		if !ok || m[2] != m[3] {
			t.Errorf("%s: there is no rule %s", comparison, m[2])
		} else if enabled == (m[1] == "*") {
			t.Errorf("%s: %s is on by default: %t", comparison, m[2], enabled)
		}
	}
}

func TestPage(t *testing.T) {
	for _, r := range builtin(t) {
		if r.ID != "port_scan" {
			continue
		}
		page := reference.Page(r)
		for _, want := range []string{"# Port scan", "| Severity | medium |", "T1046", "within 10s", "sudo tocsin simulate port_scan", "../../rules/discovery/port_scan.rego"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q:\n%s", want, page)
			}
		}
		return
	}
	t.Fatal("no rule port_scan")
}

func TestCover(t *testing.T) {
	c := reference.Cover(builtin(t))
	if c.Version == "" {
		t.Error("no version of ATT&CK")
	}
	seen := map[string][]string{}
	for _, tactic := range c.Tactics {
		for _, x := range tactic.Techniques {
			seen[x.ID] = x.Rules
		}
	}
	for _, id := range []string{"T1055", "T1055.008", "T1611"} { // a parent counts its sub-techniques
		if len(seen[id]) == 0 {
			t.Errorf("%s is not covered", id)
		}
	}
	var layer struct {
		Domain     string
		Techniques []struct {
			TechniqueID string
			Score       int
		}
	}
	if err := json.Unmarshal(c.Navigator(), &layer); err != nil {
		t.Fatal(err)
	}
	if layer.Domain != "enterprise-attack" || len(layer.Techniques) < 40 || layer.Techniques[0].Score < 1 {
		t.Errorf("layer: %s, %d techniques", layer.Domain, len(layer.Techniques))
	}
}
