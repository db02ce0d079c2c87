package main

import (
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A record is one line of go test -json; see "go doc test2json".
type record struct {
	Action, Package, Test, Output string
	ImportPath, FailedBuild       string
	Elapsed                       float64 // seconds
}

type test struct {
	output  strings.Builder
	action  string // pass, fail, skip; empty while it runs
	parent  bool   // has subtests
	badLeaf bool   // one of its subtests failed
}

type pkg struct {
	tests                   map[string]*test
	order                   []string
	output                  strings.Builder // what belongs to no test
	passed, failed, skipped int
}

type skip struct{ name, reason string }

type summary struct {
	w                       io.Writer
	packages                map[string]*pkg
	builds                  map[string]*strings.Builder
	passed, failed, skipped int
	skips                   []skip
	failures                []string
}

func newSummary(w io.Writer) *summary {
	return &summary{w: w, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

func (s *summary) add(e record) {
	if e.ImportPath != "" { // build-output, build-fail
		b := s.builds[e.ImportPath]
		if b == nil {
			b = &strings.Builder{}
			s.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	}
	p := s.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		s.packages[e.Package] = p
	}
	if e.Test == "" {
		switch e.Action {
		case "output":
			p.output.WriteString(e.Output)
		case "pass", "fail", "skip":
			s.finishPackage(p, e)
		}
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 && p.tests[e.Test[:i]] != nil {
			p.tests[e.Test[:i]].parent = true
		}
	}
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.action = e.Action
	}
}

// finishPackage counts the leaves of the tree of tests: a test with subtests is its subtests,
// unless it failed by itself.
func (s *summary) finishPackage(p *pkg, e record) {
	for _, name := range slices.Backward(p.order) { // children come after their parents
		t := p.tests[name]
		if t.action == "" && e.Action == "fail" {
			t.action = "fail" // it ran when the process died
		}
		if t.parent && (t.action != "fail" || t.badLeaf) {
			markBad(p, name, t.badLeaf)
			continue
		}
		full := short(e.Package) + "." + name
		switch t.action {
		case "pass":
			p.passed++
		case "skip":
			p.skipped++
			s.skips = append(s.skips, skip{full, reason(t.output.String())})
		case "fail":
			p.failed++
			markBad(p, name, true)
			s.failures = append(s.failures, full)
			fmt.Fprintf(s.w, "--- FAIL: %s\n%s", full, indent(t.output.String()))
		}
	}
	if e.Action == "fail" && p.failed == 0 {
		p.failed++
		s.failures = append(s.failures, short(e.Package))
		text := p.output.String()
		if b := s.builds[e.FailedBuild]; b != nil {
			text = b.String()
		}
		fmt.Fprintf(s.w, "--- FAIL: %s\n%s", short(e.Package), indent(text))
	}
	s.passed, s.failed, s.skipped = s.passed+p.passed, s.failed+p.failed, s.skipped+p.skipped
	if n := p.passed + p.failed + p.skipped; n > 0 {
		verdict := "ok  "
		if p.failed > 0 {
			verdict = "FAIL"
		}
		fmt.Fprintf(s.w, "%s %-28s %4d tests %7.1fs%s\n", verdict, short(e.Package), n, e.Elapsed, counted(p.skipped, ", %d skipped"))
	}
}

func markBad(p *pkg, name string, bad bool) {
	if i := strings.LastIndexByte(name, '/'); bad && i > 0 && p.tests[name[:i]] != nil {
		p.tests[name[:i]].badLeaf = true
	}
}

// finish prints the summary and reports whether the run is a failure.
func (s *summary) finish(ci bool, allowed []allowance) (failed bool) {
	byReason := map[string][]string{}
	var forbidden []string
	for _, k := range s.skips {
		why := k.reason
		if i := slices.IndexFunc(allowed, func(a allowance) bool { return a.test.MatchString(k.name) }); i >= 0 {
			why += " [allowed: " + allowed[i].reason + "]"
		} else if ci {
			forbidden = append(forbidden, k.name)
		}
		byReason[why] = append(byReason[why], k.name)
	}
	if len(byReason) > 0 {
		fmt.Fprintf(s.w, "\nSkipped:\n")
		for _, why := range slices.Sorted(maps.Keys(byReason)) {
			names := byReason[why]
			slices.Sort(names)
			fmt.Fprintf(s.w, "  %s\n      %s\n", why, strings.Join(names, "\n      "))
		}
	}
	if len(s.failures) > 0 {
		fmt.Fprintf(s.w, "\nFailed:\n  %s\n", strings.Join(s.failures, "\n  "))
	}
	if len(forbidden) > 0 {
		fmt.Fprintf(s.w, "\nCI=true: a skip counts as a failure, unless test/allowed-skips.txt lists it. %d not listed.\n", len(forbidden))
	}
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.failed > 0 || len(forbidden) > 0
}

// An allowance is a line of allowed-skips.txt.
type allowance struct {
	test   *regexp.Regexp
	reason string
}

// parseAllowed reads lines of "PATTERN  REASON", where PATTERN is a regular expression that
// matches all of "package.Test/sub". Empty lines and those that start with # are ignored.
func parseAllowed(text string) (list []allowance, err error) {
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		pattern, why, ok := strings.Cut(line, " ")
		if why = strings.TrimSpace(why); !ok || why == "" {
			return nil, fmt.Errorf("allowed-skips.txt:%d: %q gives no reason", i+1, pattern)
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("allowed-skips.txt:%d: %w", i+1, err)
		}
		list = append(list, allowance{re, why})
	}
	return list, nil
}

var location = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)

// reason is what the test said when it called t.Skip.
func reason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "===") || strings.HasPrefix(trimmed, "--- ") {
			continue
		}
		lines = append(lines, strings.TrimSpace(location.ReplaceAllString(line, "")))
	}
	if len(lines) == 0 {
		return "(no reason given)"
	}
	return strings.Join(lines, " ")
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "=== ") {
			b.WriteString("    " + line)
		}
	}
	if out := b.String(); out == "" || strings.HasSuffix(out, "\n") {
		return out
	}
	return b.String() + "\n"
}

const module = "github.com/tocsin-io/tocsin"

func short(importPath string) string {
	importPath, _, _ = strings.Cut(importPath, " ")
	if importPath == module {
		return path.Base(module)
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func counted(n int, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}
