package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Dir returns the source of a folder on disk, or of a single file in it.
func Dir(name string) Source {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return Source{FS: oneFile{os.DirFS(filepath.Dir(name)), filepath.Base(name)}, Name: filepath.Dir(name)}
	}
	return Source{FS: os.DirFS(name), Name: name}
}

// oneFile shows of a folder one rule, and what is visible to it.
type oneFile struct {
	fs.FS
	name string
}

func (o oneFile) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(list, func(d fs.DirEntry) bool {
		kind := policy.KindOf(d.Name())
		return d.IsDir() || (d.Name() != o.name && (kind == policy.KindRule || kind == policy.KindTest))
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
}

// ReadTrees reads and parses the files of the sources, those of tests if asked to, and shares the lists of all sources
// among them, and the helpers of each with those after it that have none of that package. What is wrong with a file is in its tree's Errors; the others are there.
func ReadTrees(tests bool, sources ...Source) []*Tree {
	var trees []*Tree
	var lists []*policy.Lists
	for _, src := range sources {
		t := readTree(src, tests)
		if len(trees) > 0 {
			borrow(t.Library.Helpers, trees[len(trees)-1].Library.Helpers)
		}
		trees = append(trees, t)
		lists = append(lists, t.Lists...)
	}
	for _, t := range trees {
		t.Library.Data["tocsin"] = map[string]any{"lists": policy.MergeLists(lists)}
	}
	return trees
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

func readTree(src Source, tests bool) *Tree {
	t := &Tree{Library: &policy.Library{Helpers: map[string]*ast.Module{}, Data: map[string]any{}}, Tests: map[string]*ast.Module{}}
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
		t.Rules = append(t.Rules, policy.File{Module: m, Text: string(src)})
	}
	return nil
}

// Load reads the Rego rules of the sources. Each file that can't be used has an error, a *FileError with file, line, reason
// and advice; the others load. A rule of a later source replaces one of an earlier source that has the same id, so
// that users can bring their own version of a built-in rule.
func Load(sources ...Source) ([]Rule, []error) {
	var rules []Rule
	var errs []error
	at := map[string]int{} // id → index in rules
	trees := ReadTrees(false, sources...)
	for _, tree := range trees {
		errs = append(errs, tree.Errors...)
		here := map[string]string{} // id → file, of this source
		for _, file := range tree.Rules {
			r, err := newRegoRule(file, tree.Library)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			id := r.meta.ID
			if other, ok := here[id]; ok {
				errs = append(errs, &FileError{File: r.meta.File, Line: 1, Reason: fmt.Sprintf("the id %q is taken by %s", id, other), Advice: "give one of them another id"})
				continue
			}
			here[id] = r.meta.File
			if i, ok := at[id]; ok {
				rules[i] = r
				continue
			}
			at[id] = len(rules)
			rules = append(rules, r)
		}
	}
	for _, tree := range trees {
		for _, l := range tree.Lists {
			errs = append(errs, addExceptions(rules, l)...)
		}
	}
	return rules, errs
}

// addExceptions gives the exceptions of a file to the rules that they name.
func addExceptions(rules []Rule, l *policy.Lists) (errs []error) {
	for i, x := range l.Exceptions {
		fail := func(reason, advice string) {
			errs = append(errs, &FileError{File: l.File, Line: x.Line, Reason: fmt.Sprintf("exception %d: %s", i+1, reason), Advice: advice})
		}
		raw, err := json.Marshal([]map[string]any{{"rule": x.Rule, "match": x.Match, "reason": x.Reason, "expires": x.Expires}})
		if err != nil {
			fail(err.Error(), "")
			continue
		}
		list, err := ParseExceptions(raw)
		if err != nil {
			errs = append(errs, &FileError{File: l.File, Line: x.Line, Reason: strings.Replace(err.Error(), "exception 1", fmt.Sprintf("exception %d", i+1), 1)})
			continue
		}
		used := false
		for _, r := range rules {
			if m := r.Metadata(); x.Rule == "*" || x.Rule == m.ID {
				m.Exceptions, used = append(m.Exceptions, list...), true
			}
		}
		if !used {
			fail(fmt.Sprintf("no rule has the id %q", x.Rule), "tocsin rules list shows the ids")
		}
	}
	return errs
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
