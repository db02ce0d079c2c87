// Package rules holds the built-in rules: for each <tactic>/<id>.rego its Rego tests (<id>_test.rego) and the events
// that a real kernel recorded while the rule's simulation ran (<id>.jsonl). helpers.rego is visible to every rule.
// The shared lists and the exceptions, with their reasons, are the YAML files in data/.
package rules

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed *.rego data/*.yaml */*.rego
var files embed.FS

// FS returns the rules, their tests, helpers and data.
func FS() fs.FS { return files }

// A File is one built-in rule's source.
type File struct {
	ID     string // "container_runtime_socket"
	Tactic string // ATT&CK short name, the folder: "privilege-escalation"
	Path   string // within FS
}

// Files lists the built-in rules in the order of their paths.
func Files() []File {
	paths, err := fs.Glob(files, "*/*.rego")
	if err != nil { // the pattern is constant
		panic(err)
	}
	var out []File
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.rego") {
			continue
		}
		tactic, name := path.Split(p)
		out = append(out, File{ID: strings.TrimSuffix(name, ".rego"), Tactic: strings.TrimSuffix(tactic, "/"), Path: p})
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out
}
