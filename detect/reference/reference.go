// Package reference writes what people read about rules: a page for each, an index, and which ATT&CK techniques they
// cover, as a table and as a layer for MITRE's ATT&CK Navigator. Its functions are pure: rules in, text out.
package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/finding"
)

// Rule is what a page tells of a rule.
type Rule struct {
	*detect.Metadata
	Selectors  []detect.Selector
	Tactic     string // short name of the tactic that it is filed under; empty takes its first technique's
	Simulation string // what triggers it for real; empty when nothing does
	Options    string // of the command that does
	Source     string // link to the rule's source, relative to the page
}

// Of describes loaded rules, ordered by id.
func Of(rules []detect.Rule) []Rule {
	out := make([]Rule, 0, len(rules))
	for _, r := range rules {
		out = append(out, Rule{Metadata: r.Metadata(), Selectors: r.Selectors()})
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (r Rule) tactic() finding.Tactic {
	key := r.Tactic
	if key == "" && len(r.Attack) > 0 {
		key = r.Attack[0].Tactic.ID
	}
	t, _ := finding.ATTACK().Tactic(key)
	return t
}

// Page is the reference page of a rule, in Markdown.
func Page(r Rule) string {
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	f("# %s\n\n%s\n\n", r.Name, r.Description)
	f("| | |\n| --- | --- |\n| Id | `%s`, version %s |\n| Severity | %s |\n| ATT&CK | %s |\n| Events | %s |\n", r.ID, r.Version, r.Severity, techniques(r.Attack, "<br>"), events(r.Selectors))
	f("| On | %s |\n", onOff(r.Metadata))
	if r.Threshold != nil {
		f("| Threshold | %s |\n", threshold(r.Threshold))
	}
	if r.Rate != nil {
		f("| At most | %d in %s for each %s |\n", r.Rate.Limit, r.Rate.Per, cmp.Or(strings.Join(r.Rate.Key, ", "), "host"))
	}
	f("| Tags | %s |\n", strings.Join(r.Tags, ", "))
	if r.Source != "" {
		f("| Source | [%s](%s) |\n", r.Source[strings.LastIndexByte(r.Source, '/')+1:], r.Source)
	}
	f("\n## What to do\n\n%s\n", r.Response)
	if len(r.FalsePositives) > 0 {
		f("\n## Known false positives\n\n")
		for _, s := range r.FalsePositives {
			f("- %s\n", s)
		}
	}
	if len(r.Exceptions) > 0 {
		f("\n## Built-in exceptions\n\n")
		for _, x := range r.Exceptions {
			f("- %s %s\n", x.Reason, matches(x.Match))
		}
	}
	if r.Simulation != "" {
		f("\n## Try it\n\n```\nsudo tocsin simulate %s\n```\n\n%s\n", r.ID+r.Options, r.Simulation)
	}
	if len(r.References) > 0 {
		f("\n## References\n\n")
		for _, s := range r.References {
			f("- <%s>\n", s)
		}
	}
	return b.String()
}

// Index lists the rules by tactic, in Markdown. Links go to <id>.md beside it.
func Index(rules []Rule) string {
	var b strings.Builder
	off := 0
	for _, r := range rules {
		if r.Disabled {
			off++
		}
	}
	fmt.Fprintf(&b, "# Rules\n\n%d built-in rules, %d of them off by default. Each is triggered for real by `tocsin simulate RULE`.\n", len(rules), off)
	b.WriteString(`Which ATT&CK techniques they cover is in [attack.md](attack.md), what Tracee and Falco detect beside it in
[comparison.md](comparison.md), and how many alerts ordinary work raises in [noise.md](../noise.md).

## Make them yours

A YAML file in a folder of your own (--rules DIR) adds to the lists that the rules share, and excepts what is fine on
your machines. Lists: [data/lists.yaml](../../rules/data/lists.yaml); built-in exceptions, with their reasons:
[data/exceptions.yaml](../../rules/data/exceptions.yaml).

` + "```yaml" + `
lists:
  servers: [/my-application-server]
  package_managers: [/opt/agent/bin/updater]
  shells: {replace: [/sh, /bash]}          # instead of adding
exceptions:
  - rule: shadow_file_read
    match: {executable.path: [/opt/backup/agent]}
    reason: Nightly backup of /etc.
    expires: 2030-01-31
` + "```" + `

"tocsin rules check DIR" tells what is misspelt, with its line. A rule of your own with the id of a built-in one replaces it.
`)
	for _, t := range finding.ATTACK().Tactics {
		first := true
		for _, r := range rules {
			if r.tactic().ID != t.ID {
				continue
			}
			if first {
				fmt.Fprintf(&b, "\n## %s\n\n| Rule | Severity | ATT&CK | What |\n| --- | --- | --- | --- |\n", t.Name)
				first = false
			}
			name := r.Name
			if r.Disabled {
				name += " (off by default)"
			}
			ids := make([]string, len(r.Attack))
			for i, a := range r.Attack {
				ids[i] = id(a)
			}
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s | %s | %s |\n", r.ID, r.ID, r.Severity, strings.Join(ids, ", "), name)
		}
	}
	return b.String()
}

func onOff(m *detect.Metadata) string {
	if m.Disabled {
		return "off by default"
	}
	return "by default"
}

func threshold(t *detect.Threshold) string {
	s := fmt.Sprintf("%d matches", t.Count)
	if t.Distinct != "" {
		s = fmt.Sprintf("%d different values of `%s`", t.Count, t.Distinct)
	}
	return fmt.Sprintf("%s within %s, counted for each %s", s, t.Within, t.By)
}

// id is the id of the most exact technique.
func id(a finding.Attack) string {
	if a.SubTechnique != nil {
		return a.SubTechnique.ID
	}
	return cmp.Or(a.Technique.ID, a.Tactic.ID)
}

func techniques(list []finding.Attack, sep string) string {
	out := make([]string, len(list))
	for i, a := range list {
		name := a.Technique.Name
		if a.SubTechnique != nil {
			name += ": " + a.SubTechnique.Name
		}
		out[i] = fmt.Sprintf("%s · [%s](https://attack.mitre.org/techniques/%s/) %s", a.Tactic.Name, id(a), strings.ReplaceAll(id(a), ".", "/"), name)
	}
	return strings.Join(out, sep)
}

func events(list []detect.Selector) string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		where := s.Origin
		if where == "" || where == "*" {
			where = "anywhere"
		}
		out = append(out, fmt.Sprintf("`%s` (%s)", cmp.Or(s.Name, "*"), where))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

func matches(m map[string][]string) string {
	fields := make([]string, 0, len(m))
	for k, v := range m {
		fields = append(fields, fmt.Sprintf("`%s`: %s", k, strings.Join(v, ", ")))
	}
	slices.Sort(fields)
	return strings.Join(fields, "; ")
}
