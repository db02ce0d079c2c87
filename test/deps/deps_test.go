// Package deps holds the import rules of docs/design.md: what each folder may import of the
// project, and what the commands must not link at all. A wrong arrow fails the build.
package deps

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/tocsin-io/tocsin"
	design = "docs/design.md"
)

// A listed package is what go list says of it; test files do not count.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// list returns the packages of patterns and all that they import, by import path.
func list(t *testing.T, patterns ...string) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Standard,Imports"}, patterns...)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, diag.String())
	}
	pkgs := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		pkgs[p.ImportPath] = p
	}
}

// A rule is one row of the table: what a folder may import of the others.
type rule struct {
	all, stdlibOnly bool
	folders         []string
}

var row = regexp.MustCompile("(?m)^\\| `([\\w/-]+?)/?` \\|.*\\| ([^|]*) \\|$")

// table reads the rules out of the design, so that there is one place that says them.
func table(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), design))
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]rule{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		switch cell := strings.TrimSpace(m[2]); cell {
		case "all":
			rules[m[1]] = rule{all: true}
		case "stdlib":
			rules[m[1]] = rule{stdlibOnly: true}
		case "–":
			rules[m[1]] = rule{}
		default:
			rules[m[1]] = rule{folders: strings.Fields(cell)}
		}
	}
	for _, must := range []string{"cmd/tocsin-sensor", "event", "router", "test"} {
		if _, ok := rules[must]; !ok {
			t.Fatalf("the table of folders in %s has no row for %s: was its form changed?", design, must)
		}
	}
	return rules
}

// folder returns the row that a package of the module belongs to.
func folder(rules map[string]rule, importPath string) (string, bool) {
	rel := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	for f := rel; f != "." && f != ""; f = filepath.Dir(f) {
		if _, ok := rules[f]; ok {
			return f, true
		}
	}
	return rel, false
}

func own(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func TestImportRules(t *testing.T) {
	rules := table(t)
	pkgs := list(t, "./...")
	for name, p := range pkgs {
		if !own(name) {
			continue
		}
		from, ok := folder(rules, name)
		if !ok {
			t.Errorf("%s lies in no folder of the table in %s: move it, or add a row that says what it is for", name, design)
			continue
		}
		r := rules[from]
		for _, imp := range p.Imports {
			switch {
			case own(imp):
				to, _ := folder(rules, imp)
				allowed := slices.ContainsFunc(r.folders, func(f string) bool {
					return short(imp) == f || strings.HasPrefix(short(imp), f+"/")
				})
				if !r.all && to != from && !allowed {
					t.Errorf("%s imports %s: %s lets %s/ import %v only. Move the code, or pass what is needed in by an interface.",
						short(name), short(imp), design, from, r.folders)
				}
			case r.stdlibOnly && !pkgs[imp].Standard:
				t.Errorf("%s imports %s: %s keeps %s/ to the standard library, because every part carries it", short(name), imp, design, from)
			}
		}
	}
}

// TestLinks holds what the two halves are promised not to contain. The sensor runs with
// privileges, so what it links is attack surface; the router has none to link eBPF for.
func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		command string
		banned  map[string]string // import path prefix → why
	}{
		{"cmd/tocsin-sensor", map[string]string{
			"github.com/go-chi/chi":                   "the privileged half serves no REST API",
			"github.com/slack-go/slack":               "the privileged half talks to NATS alone",
			"database/sql":                            "the privileged half keeps no database",
			"modernc.org/sqlite":                      "the privileged half keeps no database",
			"github.com/jackc/pgx":                    "the privileged half keeps no database",
			"github.com/nats-io/nats-server":          "the privileged half is a client of NATS; bus/embedded is for tocsin run",
			module + "/outputs":                       "destinations belong to the router",
			module + "/api":                           "the API belongs to the router",
			module + "/store":                         "the store belongs to the router",
			module + "/test":                          "tests do not ship",
			"testing":                                 "tests do not ship",
			"github.com/open-policy-agent/opa/v1/sdk": "twice the modules of v1/rego",
		}},
		{"cmd/tocsin-router", map[string]string{
			"github.com/cilium/ebpf":           "the unprivileged half has nothing to load",
			"github.com/open-policy-agent/opa": "rules run in the sensor",
			module + "/bpf":                    "the unprivileged half has nothing to load",
			module + "/detect":                 "rules run in the sensor",
			module + "/test":                   "tests do not ship",
			"testing":                          "tests do not ship",
		}},
		{"cmd/tocsin", map[string]string{
			module + "/test": "tests do not ship", // "testing" itself comes with OPA's test runner
		}},
	} {
		t.Run(tt.command, func(t *testing.T) {
			pkgs := list(t, "./"+tt.command)
			for name := range pkgs {
				for prefix, why := range tt.banned {
					// database/sql/driver holds interfaces alone; types that a database may store have them.
					if name == prefix || strings.HasPrefix(name, prefix+"/") && name != "database/sql/driver" {
						t.Errorf("%s links %s (%s), by way of\n    %s", tt.command, name, why,
							strings.Join(way(pkgs, module+"/"+tt.command, name), "\n    → "))
					}
				}
			}
		})
	}
}

// way is the shortest chain of imports between two packages.
func way(pkgs map[string]listed, from, to string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			var chain []string
			for p := to; p != ""; p = before[p] {
				chain = append([]string{short(p)}, chain...)
			}
			return chain
		}
		for _, imp := range pkgs[queue[0]].Imports {
			if _, seen := before[imp]; !seen {
				before[imp] = queue[0]
				queue = append(queue, imp)
			}
		}
	}
	return nil
}

func short(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }
