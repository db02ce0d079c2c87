package app

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/filter"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/reference"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/detect/wasm"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

type rulesCmd struct {
	List    rulesListCmd    `cmd:"" help:"List rules."`
	Show    rulesShowCmd    `cmd:"" help:"Show one rule: what it finds, and its text."`
	Check   rulesCheckCmd   `cmd:"" help:"Say what would keep rules from doing their work."`
	Test    rulesTestCmd    `cmd:"" help:"Run the Rego tests of rules, with coverage."`
	Explain rulesExplainCmd `cmd:"" help:"Show what of a rule runs in the kernel, natively and in OPA."`
	Bench   rulesBenchCmd   `cmd:"" help:"Measure what rules cost for an event."`
	Import  rulesImportCmd  `cmd:"" help:"Turn rules of Falco or Sigma into Rego rules."`
	New     rulesNewCmd     `cmd:"" help:"Write a new rule with its test."`
	Export  rulesExportCmd  `cmd:"" help:"Write the built-in rules to a folder."`
}

// ruleSources is the flags of commands that load rules.
type ruleSources struct {
	Rules     []string `name:"rules" placeholder:"DIR" help:"Folder or file with rules, beside the built-in ones; may be repeated. A rule with the id of a built-in one replaces it."`
	NoBuiltin bool     `help:"Leave the built-in rules out."`
	Wasm      bool     `help:"Load rules in WebAssembly (*.wasm in the folders) too: programs in a sandbox."`
}

// builtin is the source of the built-in rules.
func builtin() detect.Source { return detect.Source{FS: rules.FS(), Name: "builtin"} }

func (s ruleSources) sources() []detect.Source {
	var out []detect.Source
	if !s.NoBuiltin {
		out = append(out, builtin())
	}
	for _, dir := range s.Rules {
		out = append(out, detect.Dir(dir))
	}
	return out
}

// load returns the rules of the sources and those compiled in. Files that can't be used are told on the terminal, and the
// others go on.
func (s ruleSources) loadRules(e *env) ([]detect.Rule, int) {
	list, errs := detect.Load(s.sources()...)
	modules, wrong := wasm.Files(e.ctx, s.Wasm, s.Rules...)
	list, errs = append(list, modules...), append(errs, wrong...)
	for _, err := range errs {
		fmt.Fprintln(e.stderr, "tocsin: rule not loaded:", err)
	}
	return append(list, detect.Registered()...), len(errs)
}

// argSources takes the folders of an argument, or the built-in rules when there is none.
func argSources(dirs []string) []detect.Source {
	if len(dirs) == 0 {
		return []detect.Source{builtin()}
	}
	var out []detect.Source
	for i, dir := range dirs {
		rule, isTest := strings.CutSuffix(dir, "_test.rego")
		if isTest && slices.Contains(dirs, rule+".rego") || slices.Contains(dirs[:i], dir) {
			continue // a rule's file brings its test along
		}
		out = append(out, detect.Dir(dir))
	}
	return out
}

type rulesListCmd struct {
	ruleSources
	Severity  string   `help:"Least severity." placeholder:"SEVERITY"`
	Tactic    []string `help:"ATT&CK tactic, by id or name."`
	Technique []string `help:"ATT&CK technique; one stands for its sub-techniques too."`
	Event     []string `help:"Event that the rule reads."`
	Origin    string   `help:"Rules for host or container." enum:"host,container,container-init," default:""`
	Attack    bool     `help:"Show which techniques of ATT&CK the rules cover instead."`
	Output    string   `short:"o" help:"Form of the output: table or json; with --attack also navigator (a layer for the ATT&CK Navigator) or markdown." enum:"table,json,navigator,markdown" default:"table"`
}

func (rulesListCmd) Help() string {
	return `Examples:
  tocsin rules list --severity high
  tocsin rules list --technique T1611
  tocsin rules list --rules ./my-rules --no-builtin
  tocsin rules list --attack -o navigator > layer.json`
}

func (c *rulesListCmd) Run(e *env) error {
	least := finding.Info
	if c.Severity != "" {
		var err error
		if least, err = finding.ParseSeverity(c.Severity); err != nil {
			return usageError{err}
		}
	}
	if err := c.known(); err != nil {
		return err
	}
	all, bad := c.loadRules(e)
	list := []ruleInfo{}
	all = slices.DeleteFunc(all, func(r detect.Rule) bool {
		m := r.Metadata()
		return m.Severity < least || !c.attack(m) || !c.reads(r.Selectors())
	})
	if c.Attack {
		cover := reference.Cover(reference.Of(all))
		if len(c.Tactic) > 0 {
			cover.Tactics = slices.DeleteFunc(cover.Tactics, func(t reference.TacticCoverage) bool {
				return !slices.ContainsFunc(c.Tactic, func(text string) bool {
					tactic, ok := finding.ATTACK().Tactic(text)
					return ok && tactic.ID == t.ID
				})
			})
		}
		return c.coverage(e, cover)
	}
	if c.Output != "table" && c.Output != "json" {
		return usagef("-o %s goes with --attack", c.Output)
	}
	for _, r := range all {
		list = append(list, ruleInfo{Metadata: r.Metadata(), Selectors: r.Selectors()})
	}
	slices.SortFunc(list, func(a, b ruleInfo) int { return strings.Compare(a.ID, b.ID) })
	if c.Output == "json" {
		return writeJSON(e.stdout, list)
	}
	t := table.New(e.stdout, table.Column{Title: "RULE"}, table.Column{Title: "SEVERITY"}, table.Column{Title: "ATT&CK"},
		table.Column{Title: "EVENTS", Flex: true}, table.Column{Title: "NAME", Flex: true})
	for _, r := range list {
		id := table.T(r.ID)
		if r.Disabled {
			id = table.Cell{Text: r.ID + " (off)", Style: table.Dim}
		}
		t.Add(id, severityCell(r.Severity), table.T(techniques(r.Attack)), table.Cell{Text: eventNames(r.Selectors), Style: table.Dim}, table.T(r.Name))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return errFailed
	}
	return nil
}

// known refuses a filter that no rule can pass, so that a slip of the pen does not look like "no such rule". Events may be
// globs.
func (c *rulesListCmd) known() error {
	for _, t := range c.Tactic {
		if _, ok := finding.ATTACK().Tactic(t); !ok {
			return usagef("ATT&CK does not have the tactic %q (tocsin rules list --attack lists them)", t)
		}
	}
	for _, t := range c.Technique {
		if _, ok := finding.ATTACK().Resolve(t); !ok {
			return usagef("ATT&CK does not have the technique %q (tocsin rules list --attack lists those for Linux and containers)", t)
		}
	}
	var names []string
	for _, n := range c.Event {
		list, err := filter.Expand(n)
		if err != nil {
			return usageError{err}
		}
		names = append(names, list...)
	}
	c.Event = names
	return nil
}

// coverage shows which techniques the rules cover.
func (c *rulesListCmd) coverage(e *env, cover reference.Coverage) error {
	switch c.Output {
	case "json":
		return writeJSON(e.stdout, cover)
	case "navigator":
		_, err := fmt.Fprintln(e.stdout, string(cover.Navigator()))
		return err
	case "markdown":
		_, err := fmt.Fprint(e.stdout, cover.Markdown())
		return err
	}
	t := table.New(e.stdout, table.Column{Title: "TACTIC"}, table.Column{Title: "TECHNIQUE"}, table.Column{Title: "NAME", Flex: true}, table.Column{Title: "RULES", Flex: true, Wrap: true})
	covered, known := 0, 0
	for _, tactic := range cover.Tactics {
		for _, x := range tactic.Techniques {
			known++
			rules := table.Cell{Text: "-", Style: table.Dim}
			if len(x.Rules) > 0 {
				covered++
				rules = table.T(strings.Join(x.Rules, " "))
			}
			t.Add(table.T(tactic.ShortName), table.T(x.ID), table.T(x.Name), rules)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "\n%d of %d techniques for Linux and containers, ATT&CK %s\n", covered, known, cover.Version)
	return err
}

// ruleInfo is a rule as "-o json" shows it.
type ruleInfo struct {
	*detect.Metadata
	Selectors []detect.Selector `json:"selectors"`
	Source    string            `json:"source,omitempty"`
}

func (c *rulesListCmd) attack(m *detect.Metadata) bool {
	has := func(want string, ids ...string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return id != "" && strings.EqualFold(id, want) })
	}
	match := func(wants []string, ids func(finding.Attack) []string) bool {
		return len(wants) == 0 || slices.ContainsFunc(wants, func(w string) bool {
			return slices.ContainsFunc(m.Attack, func(a finding.Attack) bool { return has(w, ids(a)...) })
		})
	}
	return match(c.Tactic, func(a finding.Attack) []string { // by any of a technique's tactics
		ids := []string{a.Tactic.ID, a.Tactic.Name, strings.ReplaceAll(a.Tactic.Name, " ", "-")}
		id := a.Technique.ID
		if a.SubTechnique != nil {
			id = a.SubTechnique.ID
		}
		technique, _ := finding.ATTACK().Technique(id)
		for _, name := range technique.Tactics {
			tactic, _ := finding.ATTACK().Tactic(name)
			ids = append(ids, tactic.ID, tactic.Name, tactic.ShortName)
		}
		return ids
	}) && match(c.Technique, func(a finding.Attack) []string {
		ids := []string{a.Technique.ID, a.Technique.Name}
		if a.SubTechnique != nil {
			ids = append(ids, a.SubTechnique.ID, a.SubTechnique.Name)
		}
		return ids
	})
}

func (c *rulesListCmd) reads(selectors []detect.Selector) bool {
	return slices.ContainsFunc(selectors, func(s detect.Selector) bool {
		return (len(c.Event) == 0 || s.Name == "" || slices.Contains(c.Event, s.Name)) && (c.Origin == "" || s.Origin == "" || s.Origin == c.Origin)
	})
}

// techniques returns the ids of what a rule is about: "T1611 T1059.004".
func techniques(list []finding.Attack) string {
	var out []string
	for _, a := range list {
		id := a.Technique.ID
		if a.SubTechnique != nil {
			id = a.SubTechnique.ID
		}
		if id == "" {
			id = a.Tactic.ID
		}
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

func eventNames(list []detect.Selector) string {
	var out []string
	for _, s := range list {
		name := s.Name
		if name == "" {
			name = "*"
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

type rulesShowCmd struct {
	ID string `arg:"" help:"Id of the rule."`
	ruleSources
	output
}

func (c *rulesShowCmd) Run(e *env) error {
	all, _ := c.loadRules(e)
	i := slices.IndexFunc(all, func(r detect.Rule) bool { return r.Metadata().ID == c.ID })
	if i < 0 {
		return fmt.Errorf("no rule has the id %q (tocsin rules list shows them)", c.ID)
	}
	m := all[i].Metadata()
	info := ruleInfo{Metadata: m, Selectors: all[i].Selectors(), Source: ruleText(m.File)}
	if c.json() {
		return writeJSON(e.stdout, info)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s — %s\n\n", m.ID, m.Name)
	if m.Description != "" {
		fmt.Fprintf(&b, "%s\n\n", m.Description)
	}
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-16s %s\n", name, text)
		}
	}
	line("Severity", m.Severity.String())
	for n, a := range m.Attack {
		title := "ATT&CK"
		if n > 0 {
			title = ""
		}
		line(title, attackText(a))
	}
	line("Events", eventNames(info.Selectors))
	line("Tags", strings.Join(m.Tags, ", "))
	line("Version", m.Version)
	line("File", m.File)
	line("Response", m.Response)
	for _, x := range m.FalsePositives {
		line("False positive", x)
	}
	for _, x := range m.References {
		line("Reference", x)
	}
	if info.Source != "" {
		fmt.Fprintf(&b, "\n%s", info.Source)
	}
	_, err := fmt.Fprint(e.stdout, b.String())
	return err
}

// attackText writes a technique with its names: "TA0004 Privilege Escalation · T1611 Escape to Host".
func attackText(a finding.Attack) string {
	var parts []string
	add := func(r finding.Ref) {
		if s := strings.TrimSpace(r.ID + " " + r.Name); s != "" {
			parts = append(parts, s)
		}
	}
	add(a.Tactic)
	add(a.Technique)
	if a.SubTechnique != nil {
		add(*a.SubTechnique)
	}
	return strings.Join(parts, " · ")
}

type rulesCheckCmd struct {
	Dirs []string `arg:"" optional:"" name:"dir" help:"Folders or files with rules; the built-in rules when there is none."`
	output
}

func (rulesCheckCmd) Help() string {
	return `Finds what a rule that loads may still lack: events and arguments that do not exist, text functions on values that are
no text, events that this kernel cannot give, ATT&CK names that nobody knows. Exits with 1 when there is an error.`
}

func (c *rulesCheckCmd) Run(e *env) error {
	unavailable := map[string]string{}
	for name, h := range probeHooks(e, catalogueNames()) {
		if h.Hook == "" && h.Reason != "" && !h.unknown {
			unavailable[name] = h.Reason
		}
	}
	opts := detect.CheckOptions{Unavailable: unavailable}
	if len(c.Dirs) > 0 {
		opts.Beside = []detect.Source{builtin()}
	}
	res := detect.Check(opts, argSources(c.Dirs)...)
	_, modules := wasm.Files(e.ctx, false, c.Dirs...)
	if n := len(modules); n > 0 {
		fmt.Fprintf(e.stderr, "tocsin: %s in WebAssembly not looked into: tocsin rules list --wasm --rules %s loads them\n", plural(n, "rule"), c.Dirs[0])
	}
	if c.json() {
		if err := writeJSON(e.stdout, res); err != nil {
			return err
		}
	} else {
		if err := c.table(e, res); err != nil {
			return err
		}
	}
	if res.Errors > 0 {
		return errFailed
	}
	return nil
}

func (c *rulesCheckCmd) table(e *env, res *detect.CheckResult) error {
	t := table.New(e.stdout, table.Column{Title: "RULE"}, table.Column{Title: "REGO"}, table.Column{Title: "ADDRESSES"}, table.Column{Title: "SELECTS", Flex: true}, table.Column{Title: "FILE", Flex: true})
	for _, r := range res.Rules {
		t.Add(table.T(r.ID), table.T(r.Rego), table.T(r.Address), table.T(selectorText(r.Selectors)), table.Cell{Text: r.File, Style: table.Dim})
	}
	if t.Len() > 0 {
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, d := range res.Diagnostics {
		if _, err := fmt.Fprintln(e.stdout, d); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(e.stdout, "%s, %s, %s\n", plural(len(res.Rules), "rule"), plural(res.Errors, "error"), plural(res.Warnings, "warning"))
	return err
}

func selectorText(list []detect.Selector) string {
	var out []string
	for _, s := range list {
		text := s.Name
		if text == "" {
			text = "*"
		}
		if s.Origin != "" {
			text += "@" + s.Origin
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

type rulesTestCmd struct {
	Dirs    []string      `arg:"" optional:"" name:"dir" help:"Folders with rules and their _test.rego; the built-in rules when there is none."`
	Run_    string        `name:"run" placeholder:"REGEXP" help:"Run only the tests whose package and name match."`
	Timeout time.Duration `help:"Bound on one test." default:"5s"`
	Verbose bool          `short:"v" help:"Show the tests that passed too."`
	Require float64       `name:"coverage" placeholder:"PERCENT" help:"Fail when the tests reach fewer lines."`
	output
}

func (rulesTestCmd) Help() string {
	return `Examples:
  tocsin rules test ./my-rules
  tocsin rules test ./my-rules --run docker_socket -v
  tocsin rules test ./my-rules -o json --coverage 90`
}

func (c *rulesTestCmd) Run(e *env) error {
	if _, err := regexp.Compile(c.Run_); err != nil {
		return usagef("--run: %w", err)
	}
	opts := ruletest.Options{Filter: c.Run_, Timeout: c.Timeout}
	if !c.json() {
		opts.Progress = func(t ruletest.Test) { c.progress(e, t) }
	}
	if len(c.Dirs) > 0 {
		opts.Lists = []detect.Source{builtin()}
	}
	res, err := ruletest.Run(e.ctx, opts, argSources(c.Dirs)...)
	if err != nil {
		return err
	}
	if len(res.Tests) == 0 {
		what := "no tests: they are rules named test_… in files named *_test.rego"
		if c.Run_ != "" {
			what = fmt.Sprintf("no test has a package and name that match %q", c.Run_)
		}
		fmt.Fprintln(e.stderr, "tocsin:", what)
	}
	low := res.Coverage != nil && res.Coverage.Percent < c.Require
	if c.json() {
		if err := writeJSON(e.stdout, res); err != nil {
			return err
		}
	} else {
		if res.Coverage != nil && (c.Run_ == "" || c.Require > 0) { // of some tests only, it says little
			for _, f := range res.Coverage.Files {
				if len(f.NotCovered) > 0 {
					fmt.Fprintf(e.stdout, "%s: %.0f %% covered, not line %s\n", f.File, f.Percent, lineRanges(f.NotCovered))
				}
			}
			fmt.Fprintf(e.stdout, "coverage %.1f %%\n", res.Coverage.Percent)
		}
		if low {
			fmt.Fprintf(e.stdout, "coverage is below %.1f %%\n", c.Require)
		}
		fmt.Fprintf(e.stdout, "%d passed, %d failed, %d skipped\n", res.Passed, res.Failed, res.Skipped)
	}
	if !res.OK() || low {
		return errFailed
	}
	return nil
}

func (c *rulesTestCmd) progress(e *env, t ruletest.Test) {
	if t.Outcome == ruletest.Passed && !c.Verbose {
		return
	}
	place, name := t.File, t.Name
	if t.Line > 0 {
		place = fmt.Sprintf("%s:%d", t.File, t.Line)
	}
	if t.Package != "" { // else a file that does not load
		name = fmt.Sprintf("%s.%s (%v)", t.Package, t.Name, t.Duration.Round(10*time.Microsecond))
	}
	fmt.Fprintf(e.stdout, "%-7s %s %s\n", t.Outcome, place, name)
	for _, text := range []string{t.Message, t.Output} {
		if text = strings.TrimSpace(text); text != "" {
			fmt.Fprintln(e.stdout, "        "+strings.ReplaceAll(text, "\n", "\n        "))
		}
	}
}

// lineRanges writes lines as "3, 7-9".
func lineRanges(lines []int) string {
	slices.Sort(lines)
	var out []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		if i == j {
			out = append(out, fmt.Sprint(lines[i]))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}
