// Package ruletest tests rules: it runs their Rego unit tests with coverage, and replays recorded events.
package ruletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/policy"
)

// Result is what "rules test" shows: the counts, and the tests in the order of files and lines.
type Result struct {
	Passed   int           `json:"passed"`
	Failed   int           `json:"failed"`
	Skipped  int           `json:"skipped"`
	Tests    []Test        `json:"tests"`
	Coverage *Coverage     `json:"coverage,omitempty"`
	Errors   []error       `json:"-"` // files that could not be read; each also counts as a failed test
	Duration time.Duration `json:"duration"`
}

// OK reports whether nothing failed.
func (r *Result) OK() bool { return r.Failed == 0 }

// Test is one test rule, or one file that could not be tested.
type Test struct {
	File     string        `json:"file"`
	Line     int           `json:"line,omitempty"`
	Package  string        `json:"package,omitempty"`
	Name     string        `json:"name"`
	Outcome  Outcome       `json:"outcome"`
	Duration time.Duration `json:"duration"`
	Message  string        `json:"message,omitempty"` // why it failed
	Output   string        `json:"output,omitempty"`  // what it printed
}

// Outcome of a test.
type Outcome string

const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // named todo_test_…
)

// Coverage says which lines of the rules the tests reached.
type Coverage struct {
	Percent float64        `json:"percent"`
	Files   []FileCoverage `json:"files"`
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	File       string  `json:"file"`
	Percent    float64 `json:"percent"`
	NotCovered []int   `json:"notCovered,omitempty"` // lines
}

// Options of Run.
type Options struct {
	Filter  string        // regular expression on "<package>.<test>"; empty runs all
	Timeout time.Duration // of one test; 0 means 5 s
	// Lists are sources whose lists the tested rules see, beside their own: those of the built-in rules.
	Lists    []detect.Source
	Progress func(Test) // called after each test, from one goroutine
}

// Run runs the *_test.rego files of the sources. Files that share no package and no import are tested apart, so that a
// mistake in one does not hide the results of the others.
func Run(ctx context.Context, opts Options, sources ...detect.Source) (*Result, error) {
	start := time.Now()
	res := &Result{Tests: []Test{}}
	cov := cover.New()
	reports := map[string]*ast.Module{}
	trees := detect.ReadTrees(true, slices.Concat(opts.Lists, sources)...)
	for _, tree := range trees[len(opts.Lists):] {
		for _, err := range tree.Errors {
			res.add(broken(err), opts)
			res.Errors = append(res.Errors, err)
		}
		for _, group := range groups(tree) {
			if err := run(ctx, group, tree.Library, cov, reports, res, opts); err != nil {
				return nil, err
			}
		}
		for _, f := range tree.Rules { // without a test, nothing of them is reached
			if opts.Filter == "" && reports[f.Name] == nil {
				reports[f.Name] = logic(f.Module)
			}
		}
	}
	slices.SortStableFunc(res.Tests, func(a, b Test) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	res.Coverage = coverage(reports, cov.Report(reports))
	res.Duration = time.Since(start)
	return res, nil
}

func broken(err error) Test {
	t := Test{Name: "load", Outcome: Failed, Message: err.Error()}
	var fe *detect.FileError
	if errors.As(err, &fe) {
		t.File, t.Line = fe.File, fe.Line
	}
	return t
}

func (r *Result) add(t Test, opts Options) {
	switch t.Outcome {
	case Passed:
		r.Passed++
	case Failed:
		r.Failed++
	case Skipped:
		r.Skipped++
	}
	r.Tests = append(r.Tests, t)
	if opts.Progress != nil {
		opts.Progress(t)
	}
}

// groups puts each test file together with the rules of its package and of the packages that it imports, and
// with other test files that need the same.
func groups(tree *detect.Tree) []map[string]*ast.Module {
	parent := map[string]string{}
	var find func(string) string
	find = func(x string) string {
		p, ok := parent[x]
		if !ok || p == x {
			parent[x] = x
			return x
		}
		root := find(p)
		parent[x] = root
		return root
	}
	for _, m := range tree.Tests {
		own := m.Package.Path.String()
		find(own)
		ast.WalkRefs(m, func(ref ast.Ref) bool {
			for _, r := range tree.Rules {
				if p := r.Module.Package.Path; p.String() != own && ref.HasPrefix(p) {
					parent[find(p.String())] = find(own)
				}
			}
			for _, t := range tree.Tests { // what tests share
				if p := t.Package.Path; p.String() != own && ref.HasPrefix(p) {
					parent[find(p.String())] = find(own)
				}
			}
			return false
		})
	}
	byRoot := map[string]map[string]*ast.Module{}
	for file, m := range tree.Tests {
		root := find(m.Package.Path.String())
		if byRoot[root] == nil {
			byRoot[root] = map[string]*ast.Module{}
		}
		byRoot[root][file] = m
	}
	for _, f := range tree.Rules {
		if g := byRoot[find(f.Module.Package.Path.String())]; g != nil {
			g[f.Name] = f.Module
		}
	}
	roots := make([]string, 0, len(byRoot))
	for r := range byRoot {
		roots = append(roots, r)
	}
	slices.Sort(roots)
	out := make([]map[string]*ast.Module, len(roots))
	for i, r := range roots {
		out[i] = byRoot[r]
	}
	return out
}

func run(ctx context.Context, modules map[string]*ast.Module, lib *policy.Library, cov *cover.Cover, reports map[string]*ast.Module, res *Result, opts Options) error {
	all := policy.WithLibrary(modules, lib)
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	compiler := policy.NewCompiler().WithEnablePrintStatements(true)
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(lib.Store()).SetModules(all).SetTimeout(timeout).
		SetCoverageQueryTracer(cov).CapturePrintOutput(true).Filter(opts.Filter).RaiseBuiltinErrors(false)
	txn, err := lib.Store().NewTransaction(ctx)
	if err != nil {
		return fmt.Errorf("run tests: %w", err)
	}
	defer lib.Store().Abort(ctx, txn)
	ch, err := runner.RunTests(ctx, txn)
	if err != nil {
		e := policy.AsError("", err)
		if e.File == "" {
			return fmt.Errorf("run tests: %w", err)
		}
		res.add(broken(e), opts)
		res.Errors = append(res.Errors, e)
		return nil
	}
	var list []*tester.Result
	failed := map[string]bool{}
	for tr := range ch { // in any order, since several run at once
		list = append(list, tr)
		if tr.Fail && tr.Error == nil {
			failed[tr.Package+"."+tr.Name] = true
		}
	}
	at := whereFailed(ctx, runner, txn, failed)
	slices.SortStableFunc(list, func(a, b *tester.Result) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row))
	})
	for _, tr := range list {
		tr.FailedAt = at[tr.Package+"."+tr.Name]
		res.add(testOf(tr), opts)
	}
	for name, m := range compiler.Modules {
		if all[name] != nil && policy.KindOf(name) == policy.KindRule && name != policy.HelpersFile {
			reports[name] = logic(m)
		}
	}
	return nil
}

// whereFailed runs the tests that failed once more, to tell which of their expressions is not true.
func whereFailed(ctx context.Context, runner *tester.Runner, txn storage.Transaction, failed map[string]bool) map[string]*ast.Expr {
	at := map[string]*ast.Expr{}
	if len(failed) == 0 {
		return at
	}
	names := make([]string, 0, len(failed))
	for name := range failed {
		names = append(names, regexp.QuoteMeta(name))
	}
	ch, err := runner.EnableTracing(true).Filter("^("+strings.Join(names, "|")+")$").RunTests(ctx, txn)
	if err != nil {
		return at // it is told that they failed
	}
	for tr := range ch {
		var body uint64 // the query that is the test's own
		for _, e := range tr.Trace {
			if rule, ok := e.Node.(*ast.Rule); ok && e.Op == topdown.EnterOp && tr.Location != nil && rule.Loc().Equal(tr.Location) {
				body = e.QueryID
			}
			if x, ok := e.Node.(*ast.Expr); ok && e.Op == topdown.FailOp && body > 0 && e.QueryID == body && x.Location != nil {
				at[tr.Package+"."+tr.Name] = x
			}
		}
	}
	return at
}

func testOf(tr *tester.Result) Test {
	t := Test{Package: strings.TrimPrefix(tr.Package, "data."), Name: tr.Name, Duration: tr.Duration, Output: string(tr.Output), Outcome: Passed}
	if tr.Location != nil {
		t.File, t.Line = tr.Location.File, tr.Location.Row
	}
	switch {
	case tr.Skip:
		t.Outcome = Skipped
	case tr.Error != nil:
		t.Outcome, t.Message = Failed, tr.Error.Error()
	case tr.Fail:
		t.Outcome, t.Message = Failed, "the test is not true"
		if tr.FailedAt != nil && tr.FailedAt.Location != nil {
			t.Message = fmt.Sprintf("line %d is not true: %s", tr.FailedAt.Location.Row, strings.TrimSpace(string(tr.FailedAt.Location.Text)))
		}
	}
	return t
}

// logic returns the module without its metadata and selectors, which no unit test reaches.
func logic(m *ast.Module) *ast.Module {
	out := *m
	out.Rules = slices.DeleteFunc(slices.Clone(m.Rules), func(r *ast.Rule) bool {
		switch name := r.Head.Ref()[0].Value.String(); name {
		case "__rego_metadoc__", "tracee_selected_events", "eventSelectors":
			return true
		}
		return false
	})
	return &out
}

func coverage(modules map[string]*ast.Module, r cover.Report) *Coverage {
	c := &Coverage{Files: []FileCoverage{}}
	hit, missed := 0, 0
	for name, f := range r.Files {
		if modules[name] == nil {
			continue
		}
		fc := FileCoverage{File: name, Percent: f.Coverage}
		hit, missed = hit+f.CoveredLines, missed+f.NotCoveredLines
		for _, rng := range f.NotCovered {
			for line := rng.Start.Row; line <= rng.End.Row; line++ {
				fc.NotCovered = append(fc.NotCovered, line)
			}
		}
		slices.Sort(fc.NotCovered)
		fc.NotCovered = slices.Compact(fc.NotCovered)
		c.Files = append(c.Files, fc)
	}
	if hit+missed > 0 {
		c.Percent = 100 * float64(hit) / float64(hit+missed)
	}
	slices.SortFunc(c.Files, func(a, b FileCoverage) int { return cmp.Compare(a.File, b.File) })
	return c
}
