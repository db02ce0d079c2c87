package detect

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

func opener(id, condition string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(fmt.Sprintf(`package tracee.%[1]s

import rego.v1

import data.tracee.helpers

import data.tocsin.lists

__rego_metadoc__ := {"id": %[1]q, "version": "1", "name": "n", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open"}

path := helpers.get_tracee_argument("pathname")

tracee_match if %[2]s
`, id, condition))}
}

// TestLoaderFollowsFiles: a second load compiles what changed, and nothing else; what rules depend on beside their file counts.
func TestLoaderFollowsFiles(t *testing.T) {
	files := fstest.MapFS{
		"a.rego":               opener("a", `path == "/a"`),
		"b.rego":               opener("b", `data.own.helpers.ours(path)`),
		"c.rego":               opener("c", `path in data.names`),
		"d.rego":               opener("d", `path in lists.names`),
		"own.helpers.rego":     {Data: []byte("package own.helpers\n\nours(p) if p == \"/b\"\n")},
		"names.data.json":      {Data: []byte(`["/c"]`)},
		"lists.yaml":           {Data: []byte("lists: {names: [/d]}\nexceptions: [{rule: a, match: {processName: [quiet]}, reason: r}]\n")},
		"builtin/other_e.rego": opener("e", `path == "/e"`),
	}
	var loader Loader
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := func(path string) (ids []string) {
		t.Helper()
		before := map[string]uint64{}
		for _, s := range e.Stats() {
			before[s.ID] = s.Matches
		}
		o := occurrence{def: event.ByName("security_file_open"), args: map[string]any{"pathname": path}}
		e.Handle(o.build())
		for _, s := range e.Stats() {
			if s.Matches > before[s.ID] {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	var last []Rule
	load := func(compiled int, opens ...string) {
		t.Helper()
		rules, errs := loader.Load(Source{FS: files, Name: "x"})
		for _, err := range errs {
			t.Fatal(err)
		}
		changed := 0
		for _, r := range rules {
			if !slices.ContainsFunc(last, func(old Rule) bool { return sameRule(old, r) }) {
				changed++
			}
			if r.Metadata().ID == "a" && len(r.Metadata().Exceptions) != 1 {
				t.Errorf("%d exceptions", len(r.Metadata().Exceptions))
			}
		}
		if changed != compiled {
			t.Errorf("%d rules compiled, want %d", changed, compiled)
		}
		last = rules
		if err := e.Replace(rules); err != nil {
			t.Fatal(err)
		}
		for _, x := range opens {
			path, id, _ := strings.Cut(x, " ")
			if got := strings.Join(found(path), " "); got != id {
				t.Errorf("%s is found by %q, want %q", path, got, id)
			}
		}
	}
	load(5, "/a a", "/b b", "/c c", "/d d", "/e e", "/z ")
	load(0, "/a a", "/b b", "/c c", "/d d", "/e e", "/z ")
	files["a.rego"] = opener("a", `path == "/z"`)
	load(1, "/a ", "/b b", "/z a")
	files["own.helpers.rego"] = &fstest.MapFile{Data: []byte("package own.helpers\n\nours(p) if p == \"/a\"\n")}
	load(5, "/a b", "/b ", "/z a")
	files["names.data.json"] = &fstest.MapFile{Data: []byte(`["/cc"]`)}
	load(5, "/c ", "/cc c")
	files["lists.yaml"] = &fstest.MapFile{Data: []byte("lists: {names: [/dd]}\nexceptions: [{rule: a, match: {processName: [quiet]}, reason: r}]\n")}
	load(5, "/d ", "/dd d")
	delete(files, "c.rego")
	load(0, "/cc ", "/dd d")
	files["a.rego"] = opener("a", `path == `)
	if _, errs := loader.Load(Source{FS: files, Name: "x"}); len(errs) != 2 { // and the exception has no rule
		t.Fatal(errs)
	}
	files["a.rego"] = opener("a", `path == "/a"`)
	load(1, "/a a b", "/dd d", "/e e")
}

// BenchmarkReload: the built-in rules are read again. One of them changed, or none, or all are new.
func BenchmarkReload(b *testing.B) {
	files := fstest.MapFS{}
	var names []string // of rules
	dir := os.DirFS("../rules")
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		kind := policy.KindOf(name)
		if err != nil || d.IsDir() || kind == policy.KindTest || kind == policy.KindOther {
			return err
		}
		if kind == policy.KindRule {
			names = append(names, name)
		}
		raw, err := fs.ReadFile(dir, name)
		files[name] = &fstest.MapFile{Data: raw}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, change := range []string{"none", "one", "all"} {
		b.Run(change, func(b *testing.B) {
			var loader Loader
			var e *Engine
			start, n := cpuTime(), 0
			for b.Loop() {
				if n++; n == 2 {
					start = cpuTime() // the first one compiles everything
				}
				switch change {
				case "one":
					f := files[names[n*7%len(names)]]
					f.Data = append(f.Data, '\n')
				case "all":
					loader = Loader{}
					e = nil
				}
				rules, errs := loader.Load(Source{FS: files, Name: "rules"})
				for _, err := range errs {
					b.Fatal(err)
				}
				if e == nil {
					var err error
					if e, err = New(Options{}); err != nil {
						b.Fatal(err)
					}
				}
				if err := e.Replace(rules); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(max(n-1, 1))/1e6, "cpu-ms/op")
		})
	}
}
