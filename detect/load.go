package detect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/plan"
	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

// Source is a folder tree of rules. Its *helpers.rego and *.data.json|yaml files are visible to all rules of the tree.
type Source struct {
	FS   fs.FS
	Name string // stands before the files' names in messages
}

// Dir returns the source of a folder on disk, or of a single rule in it, with its test: one of the two files says both.
func Dir(name string) Source {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return Source{FS: oneFile{os.DirFS(filepath.Dir(name)), filepath.Base(name)}, Name: filepath.Dir(name)}
	}
	return Source{FS: os.DirFS(name), Name: name}
}

// oneFile shows of a folder one rule with its test, and what is visible to them.
type oneFile struct {
	fs.FS
	name string
}

func (o oneFile) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(o.FS, name)
	rule := strings.TrimSuffix(strings.TrimSuffix(o.name, ".rego"), "_test")
	return slices.DeleteFunc(list, func(d fs.DirEntry) bool {
		kind := policy.KindOf(d.Name())
		return d.IsDir() || (d.Name() != o.name && d.Name() != rule+".rego" && d.Name() != rule+"_test.rego" && (kind == policy.KindRule || kind == policy.KindTest))
	}), err
}

// FileError is what is wrong with one file: file, line, reason and what to do.
type FileError = policy.Error

// Tree is one source, read and parsed.
type Tree struct {
	Library *policy.Library
	Lists   []*policy.Lists
	Rules   []policy.File
	Tests   map[string]*ast.Module
	Errors  []error

	parse  bool      // the files of rules, too
	shared hash.Hash // of the files that rules may depend on: all but those of rules
}

// ReadTrees reads and parses the files of the sources, those of tests if asked to, and shares the lists of all sources
// among them, and the helpers of each with those after it that have none of that package. What is wrong with a file is in its tree's Errors; the others are there.
func ReadTrees(tests bool, sources ...Source) []*Tree {
	trees, _ := readTrees(tests, true, sources)
	return trees
}

// readTrees also returns a hash of all files but those of rules and tests. It leaves rules as text if they are not to be parsed: together they
// would weigh more than any one does while it is compiled.
func readTrees(tests, parse bool, sources []Source) ([]*Tree, string) {
	var trees []*Tree
	var lists []*policy.Lists
	shared := sha256.New()
	for i, src := range sources {
		fmt.Fprintf(shared, "source %d %q\n", i, src.Name)
		t := readTree(src, tests, parse, shared)
		if len(trees) > 0 {
			borrow(t.Library.Helpers, trees[len(trees)-1].Library.Helpers)
		}
		trees = append(trees, t)
		lists = append(lists, t.Lists...)
	}
	for _, t := range trees {
		t.Library.Data["tocsin"] = map[string]any{"lists": policy.MergeLists(lists)}
	}
	return trees, string(shared.Sum(nil))
}

// borrow adds the helpers of packages that own has not: a copy of the built-in ones, exported and changed, comes first.
func borrow(own, others map[string]*ast.Module) {
	packages := map[string]bool{}
	for _, m := range own {
		packages[m.Package.Path.String()] = true
	}
	for file, m := range others {
		if !packages[m.Package.Path.String()] {
			own[file] = m
		}
	}
}

func readTree(src Source, tests, parse bool, shared hash.Hash) *Tree {
	t := &Tree{parse: parse, shared: shared, Library: &policy.Library{Helpers: map[string]*ast.Module{}, Data: map[string]any{}}, Tests: map[string]*ast.Module{}}
	err := fs.WalkDir(src.FS, ".", func(name string, d fs.DirEntry, err error) error {
		full := path.Join(filepath.ToSlash(src.Name), name)
		if err != nil {
			t.Errors = append(t.Errors, &FileError{File: full, Reason: reason(err), Advice: "check that it exists and can be read"})
			return nil
		}
		kind := policy.KindOf(name)
		if d.IsDir() || kind == policy.KindOther || (kind == policy.KindTest && !tests) {
			return nil
		}
		if err := t.read(src.FS, name, full, kind); err != nil {
			t.Errors = append(t.Errors, err)
		}
		return nil
	})
	if err != nil {
		t.Errors = append(t.Errors, &FileError{File: src.Name, Reason: reason(err)})
	}
	return t
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func (t *Tree) read(fsys fs.FS, name, full string, kind policy.Kind) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return &FileError{File: full, Reason: reason(err)}
	}
	if kind != policy.KindRule && kind != policy.KindTest {
		fmt.Fprintf(t.shared, "%q %d\n%s", full, len(src), src)
	} else if kind == policy.KindRule && !t.parse {
		t.Rules = append(t.Rules, policy.File{Name: full, Text: string(src)})
		return nil
	}
	if kind == policy.KindData {
		key, v, err := policy.ParseData(full, src)
		if err == nil {
			t.Library.Data[key] = v
		}
		return err
	}
	if kind == policy.KindLists {
		l, err := policy.ParseLists(full, src)
		if err == nil {
			t.Lists = append(t.Lists, l)
		}
		return err
	}
	m, err := policy.Parse(full, src)
	if err != nil {
		return err
	}
	switch kind {
	case policy.KindHelper:
		t.Library.Helpers[full] = m
	case policy.KindTest:
		t.Tests[full] = m
	default:
		t.Rules = append(t.Rules, policy.File{Name: full, Text: string(src), Module: m})
	}
	return nil
}

// regoRule is a compiled Rego file.
type regoRule struct {
	meta   *Metadata
	policy *policy.Rule
	// condition is what the rule asks of an event, for native matchers.
	condition func() *native.Node
}

func newRegoRule(file policy.File, lib *policy.Library) (*regoRule, error) {
	p, err := policy.Compile(file, lib)
	if err != nil {
		return nil, err
	}
	meta, err := MetadataOf(p.Metadoc)
	if err != nil {
		return nil, &FileError{File: p.File, Line: p.Line("__rego_metadoc__"), Reason: err.Error()}
	}
	meta.File = p.File
	r := &regoRule{meta: meta, policy: p, condition: p.Condition}
	r.condition() // while its compiler is there
	return r, nil
}

func (r *regoRule) Metadata() *Metadata   { return r.meta }
func (r *regoRule) Selectors() []Selector { return r.policy.Selectors }

// Match is for whoever has a rule and no engine; an engine has its own machine.
func (r *regoRule) Match(ctx context.Context, ev *event.Event) (*Match, error) {
	timeout := time.Duration(0)
	if d, ok := ctx.Deadline(); ok {
		timeout = time.Until(d)
	}
	var m plan.Machine
	m.Begin(ev)
	return r.confirm(&m, ev, timeout)
}

func (r *regoRule) confirm(m *plan.Machine, ev *event.Event, timeout time.Duration) (*Match, error) {
	v, err := r.policy.Confirm(m, ev, timeout)
	if !v.Match {
		return nil, err
	}
	return &Match{Data: v.Data}, err
}
