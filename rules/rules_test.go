package rules_test

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
	"github.com/tocsin-io/tocsin/simulate"
)

var builtin = detect.Source{FS: rules.FS(), Name: "rules"}

func load(t *testing.T) map[string]detect.Rule {
	t.Helper()
	list, errs := detect.Load(builtin)
	for _, err := range errs {
		t.Error(err)
	}
	out := map[string]detect.Rule{}
	for _, r := range list {
		out[r.Metadata().ID] = r
	}
	return out
}

func TestRego(t *testing.T) {
	res, err := ruletest.Run(t.Context(), ruletest.Options{}, builtin)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range res.Tests {
		if x.Outcome != ruletest.Passed {
			t.Errorf("%s:%d: %s %s: %s", x.File, x.Line, x.Name, x.Outcome, x.Message)
		}
	}
	for _, f := range res.Coverage.Files {
		if f.Percent < 100 && !strings.Contains(f.File, "testing_test") {
			t.Errorf("%s: the tests do not reach lines %v", f.File, f.NotCovered)
		}
	}
	t.Logf("%d tests passed, %.1f %% of lines", res.Passed, res.Coverage.Percent)
}

func TestCheck(t *testing.T) {
	for _, d := range detect.Check(detect.CheckOptions{}, builtin).Diagnostics {
		if d.Level != detect.LevelNote {
			t.Error(d)
		}
	}
}

// TestRecordings replays what a real kernel said while each rule's simulation ran: the rule must find it.
// "go test ./simulate -run TestSimulations -record" writes the recordings.
func TestRecordings(t *testing.T) {
	loaded := load(t)
	all := slices.Sorted(maps.Keys(loaded))
	list := slices.Collect(maps.Values(loaded))
	found := map[string]bool{}
	engine, err := detect.New(detect.Options{Rules: list, Enable: all, Sink: func(h detect.Hit) { found[h.Finding().Rule.ID] = true }})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rules.Files() {
		file, err := os.Open(strings.TrimSuffix(f.Path, ".rego") + ".jsonl")
		if err != nil {
			if s, ok := simulate.ByRule(f.ID); !ok || s.Untriggerable == "" {
				t.Error(err)
			}
			continue
		}
		clear(found)
		_, err = ruletest.Events(t.Context(), file, func(ev *event.Event) error {
			if r := loaded[f.ID]; r.Metadata().Threshold != nil { // a recording has one event, the rule finds many
				m, err := r.Match(t.Context(), ev)
				found[f.ID] = m != nil
				return err
			}
			engine.Handle(ev)
			return nil
		}, func(err error) error { return err })
		if err != nil {
			t.Errorf("%s: %v", file.Name(), err)
		}
		if !found[f.ID] {
			t.Errorf("%s does not trigger its rule", file.Name())
		}
		_ = file.Close() // it was only read
	}
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

func TestMetadata(t *testing.T) {
	loaded := load(t)
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, f := range rules.Files() {
		r := loaded[f.ID]
		if r == nil || !name.MatchString(f.ID) {
			t.Errorf("%s: the rule's id is not the file's name", f.Path)
			continue
		}
		m := r.Metadata()
		if m.Version == "" || m.Name == "" || len(m.Tags) == 0 || len(m.References) == 0 || len(m.FalsePositives) == 0 {
			t.Errorf("%s: metadata is not complete: %+v", f.Path, m)
		}
		if !strings.HasSuffix(m.Description, ".") || !strings.HasSuffix(m.Response, ".") {
			t.Errorf("%s: description and response are sentences", f.Path)
		}
		text, _ := m.Properties["MITRE ATT&CK"].(string)
		if n := len(strings.Split(text, ",")); len(m.Attack) != n || n == 0 {
			t.Errorf("%s: ATT&CK %q: %d of %d resolve", f.Path, text, len(m.Attack), n)
		}
		tactic, ok := finding.ATTACK().Tactic(f.Tactic)
		if !ok {
			t.Errorf("%s: %s is not a tactic", f.Path, f.Tactic)
			continue
		}
		if !slices.ContainsFunc(m.Attack, func(a finding.Attack) bool { return slices.Contains(tactics(a), tactic.ShortName) }) {
			t.Errorf("%s: none of its techniques %q belongs to the tactic %s", f.Path, text, f.Tactic)
		}
	}
}

// tactics lists the short names of the tactics that a technique belongs to.
func tactics(a finding.Attack) []string {
	id := a.Technique.ID
	if a.SubTechnique != nil {
		id = a.SubTechnique.ID
	}
	technique, _ := finding.ATTACK().Technique(id)
	return technique.Tactics
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
	lists := doc.Lists
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

// TestNative holds that rules are decided by native conditions alone, so that an event that matches none costs next to
// nothing. Those that are not are confirmed by OPA.
func TestNative(t *testing.T) {
	list := slices.Collect(maps.Values(load(t)))
	explained, err := detect.Explain(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	inexact := 0
	for _, x := range explained {
		exact := true
		for _, e := range x.Events {
			if e.Never {
				t.Errorf("%s: no event %s can match", x.ID, e.Event)
			}
			if !e.Exact {
				exact = false
				t.Logf("%s, %s: OPA confirms %s", x.ID, e.Event, strings.Join(e.LeftOut, "; "))
			}
			if len(e.Alternatives) == 0 || slices.ContainsFunc(e.Alternatives, func(c []detect.Condition) bool { return len(c) == 0 }) {
				t.Logf("%s, %s: every event is a candidate", x.ID, e.Event)
			}
		}
		if x.Confirm != "plan" {
			t.Errorf("%s: confirmed by %s: %s", x.ID, x.Confirm, x.ConfirmWhy)
		}
		if !exact {
			inexact++
		}
	}
	t.Logf("%d of %d rules are exact", len(explained)-inexact, len(explained))
	if inexact*10 > len(explained) {
		t.Errorf("%d of %d rules are not exact", inexact, len(explained))
	}
}
