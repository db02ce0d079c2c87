package rules_test

import (
	"context"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

const helpers = `package tracee.helpers

get_tracee_argument(name) := value if {
	some arg in input.args
	arg.name == name
	value := arg.value
}

default is_file_write(_) := false

is_file_write(flags) if contains(lower(flags), "o_wronly")

is_file_write(flags) if contains(lower(flags), "o_rdwr")
`

func modules(t *testing.T, tests bool) map[string]*ast.Module {
	t.Helper()
	out := map[string]*ast.Module{}
	parse := func(name, src string) {
		m, err := ast.ParseModuleWithOpts(name, src, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = m
	}
	parse("tracee_helpers.rego", helpers)
	err := fs.WalkDir(rules.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".rego") || !tests && strings.HasSuffix(p, "_test.rego") {
			return err
		}
		src, err := fs.ReadFile(rules.FS(), p)
		if err == nil {
			parse(p, string(src))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func document(t *testing.T) map[string]any {
	t.Helper()
	src, err := fs.ReadFile(rules.FS(), "data/lists.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Lists map[string][]any `yaml:"lists"`
	}
	if err := yaml.UnmarshalWithOptions(src, &doc, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	lists := map[string]any{}
	for k, v := range doc.Lists {
		lists[k] = v
	}
	return map[string]any{"tocsin": map[string]any{"lists": lists}}
}

func TestRego(t *testing.T) {
	ctx := context.Background()
	store := inmem.NewFromObject(document(t))
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(ctx, txn)
	ch, err := tester.NewRunner().SetModules(modules(t, true)).SetStore(store).SetRuntime(ast.ObjectTerm()).RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := range ch {
		n++
		if r.Error != nil || !r.Pass() {
			t.Errorf("%s.%s (%s): %v", r.Package, r.Name, r.Location, r.Error)
		}
	}
	t.Logf("%d tests", n)
}

// TestFormat holds the files to what "opa fmt" makes of them.
func TestFormat(t *testing.T) {
	err := fs.WalkDir(rules.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".rego") {
			return err
		}
		src, err := fs.ReadFile(rules.FS(), p)
		if err != nil {
			return err
		}
		want, err := format.SourceWithOpts(p, src, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			return err
		}
		if string(want) != string(src) {
			t.Errorf("%s is not formatted: run opa fmt -w", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

type metadoc struct {
	ID             string
	Version        string
	Name           string
	Description    string
	Tags           []string
	Properties     map[string]any
	References     []string
	FalsePositives []string
	Response       string
}

func metadata(t *testing.T) map[string]metadoc {
	t.Helper()
	compiler := ast.NewCompiler().WithStrict(true)
	if compiler.Compile(modules(t, false)); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	out := map[string]metadoc{}
	for _, f := range rules.Files() {
		rs, err := rego.New(rego.Query("doc := data.tocsin.rules."+f.ID+".__rego_metadoc__"), rego.Compiler(compiler)).Eval(t.Context())
		if err != nil || len(rs) != 1 {
			t.Fatalf("%s: no metadata: %v", f.Path, err)
		}
		m := rs[0].Bindings["doc"].(map[string]any)
		str := func(k string) string { s, _ := m[k].(string); return s }
		list := func(k string) []string {
			var out []string
			l, _ := m[k].([]any)
			for _, v := range l {
				s, _ := v.(string)
				out = append(out, s)
			}
			return out
		}
		props, _ := m["properties"].(map[string]any)
		out[f.ID] = metadoc{str("id"), str("version"), str("name"), str("description"), list("tags"), props, list("references"), list("false_positives"), str("response")}
	}
	return out
}

func TestMetadata(t *testing.T) {
	docs := metadata(t)
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, f := range rules.Files() {
		m := docs[f.ID]
		if m.ID != f.ID || !name.MatchString(f.ID) {
			t.Errorf("%s: id %q is not the file's name", f.Path, m.ID)
		}
		if m.Version == "" || m.Name == "" || len(m.Tags) == 0 || len(m.References) == 0 || len(m.FalsePositives) == 0 || m.Response == "" {
			t.Errorf("%s: metadata is not complete: %+v", f.Path, m)
		}
		if !strings.HasSuffix(m.Description, ".") || !strings.HasSuffix(m.Response, ".") {
			t.Errorf("%s: description and response are sentences", f.Path)
		}
		attack, ok := finding.ATTACK().Resolve(m.Properties["MITRE ATT&CK"].(string))
		if !ok {
			t.Errorf("%s: ATT&CK %q does not resolve", f.Path, m.Properties["MITRE ATT&CK"])
		}
		ids := strings.Count(m.Properties["MITRE ATT&CK"].(string), "T1")
		if len(attack) != ids {
			t.Errorf("%s: ATT&CK %q: only %d of %d resolve", f.Path, m.Properties["MITRE ATT&CK"], len(attack), ids)
		}
		tactic, ok := finding.ATTACK().Tactic(f.Tactic)
		if !ok {
			t.Errorf("%s: %s is not a tactic", f.Path, f.Tactic)
			continue
		}
		under := false
		for _, a := range attack {
			id := a.Technique.ID
			if a.SubTechnique != nil {
				id = a.SubTechnique.ID
			}
			tech, _ := finding.ATTACK().Technique(id)
			for _, s := range tech.Tactics {
				under = under || s == tactic.ShortName
			}
		}
		if !under {
			t.Errorf("%s: none of its techniques %q belongs to the tactic %s", f.Path, m.Properties["MITRE ATT&CK"], f.Tactic)
		}
	}
}

// TestTests demands of each rule a test file with a match, a near miss and an attempt to evade.
func TestTests(t *testing.T) {
	for _, f := range rules.Files() {
		src, err := fs.ReadFile(rules.FS(), strings.TrimSuffix(f.Path, ".rego")+"_test.rego")
		if err != nil {
			t.Errorf("%s has no tests", f.Path)
			continue
		}
		for _, kind := range []string{"\ntest_match", "\ntest_near_miss", "\ntest_evasion"} {
			if !strings.Contains(string(src), kind) {
				t.Errorf("%s: no %s…", f.Path, strings.TrimSpace(kind))
			}
		}
	}
}

// TestLists holds that every list is used by a rule and none is missing.
func TestLists(t *testing.T) {
	used := map[string]bool{}
	re := regexp.MustCompile(`data\.tocsin\.lists\.([a-z0-9_]+)`)
	err := fs.WalkDir(rules.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".rego") || strings.HasSuffix(p, "_test.rego") {
			return err
		}
		src, err := fs.ReadFile(rules.FS(), p)
		for _, m := range re.FindAllStringSubmatch(string(src), -1) {
			used[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	lists := document(t)["tocsin"].(map[string]any)["lists"].(map[string]any)
	for name := range lists {
		if !used[name] {
			t.Errorf("no rule reads the list %s", name)
		}
	}
	for name := range used {
		if lists[name] == nil {
			t.Errorf("a rule reads the list %s, which does not exist", name)
		}
	}
}
