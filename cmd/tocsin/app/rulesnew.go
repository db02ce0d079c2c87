package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/tocsin-io/tocsin/cmd/internal/filter"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

type rulesNewCmd struct {
	ID        string `arg:"" help:"Id of the rule: lower-case words joined by underscores."`
	Dir       string `short:"d" default:"." help:"Folder to write it to." placeholder:"DIR"`
	Event     string `short:"e" default:"sched_process_exec" help:"Event that it reads."`
	Origin    string `enum:"host,container,any" default:"any" help:"Where: host, container or any."`
	Name      string `help:"What it finds, in a few words."`
	Severity  string `default:"medium" help:"info, low, medium, high or critical."`
	Technique string `default:"T1059" help:"ATT&CK technique."`
}

func (rulesNewCmd) Help() string {
	return `Writes a rule and its test, both of which work at once, and says what to do next.

Example:
  tocsin rules new my_rule -e security_file_open --origin container --severity high --technique T1611`
}

var ruleID = regexp.MustCompile(`^[a-z][a-z0-9_]{1,63}$`)

var ruleTemplate = template.Must(template.New("rule").Parse(`package tocsin.rules.{{.ID}}

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "{{.ID}}",
	"version": "0.1.0",
	"name": "{{.Name}}",
	"description": "Say what happened, and why it matters.",
	"tags": [],
	"properties": {
		"Severity": {{.Level}},
		"MITRE ATT&CK": "{{.Technique}}",
	},
	"references": [],
	"false_positives": ["Say who does this for a good reason."],
	"response": "Say what to look at first.",
}

tracee_selected_events[selector] {
	selector := {{.Selector}}
}

# The rule finds what makes the body true. helpers.get_tracee_argument gives the arguments of the event:
# {{.Prototype}}
tracee_match {
	input.eventName == "{{.Event}}"
{{- if .Arg}}
	{{.Arg}} := helpers.get_tracee_argument("{{.Arg}}")
	startswith({{.Arg}}, "/tmp/")
{{- end}}
}
`))

var ruleTestTemplate = template.Must(template.New("test").Parse(`package tocsin.rules.{{.ID}}

test_match {
	tracee_match with input as {
		"eventName": "{{.Event}}",
		"args": [{{if .Arg}}{"name": "{{.Arg}}", "value": "/tmp/example"}{{end}}],
	}
}
{{if .Arg}}
test_other_value {
	not tracee_match with input as {
		"eventName": "{{.Event}}",
		"args": [{"name": "{{.Arg}}", "value": "/usr/bin/example"}],
	}
}
{{else}}
test_other_event {
	not tracee_match with input as {"eventName": "another", "args": []}
}
{{end}}`))

func (c *rulesNewCmd) Run(e *env) error {
	if !ruleID.MatchString(c.ID) {
		return usagef("id %q: use lower-case letters, digits and underscores, such as my_rule", c.ID)
	}
	severity, err := finding.ParseSeverity(c.Severity)
	if err != nil {
		return usageError{err}
	}
	if _, ok := finding.ATTACK().Resolve(c.Technique); !ok {
		return usagef("ATT&CK does not have the technique %q", c.Technique)
	}
	names, err := filter.Expand(c.Event)
	if err != nil {
		return usageError{err}
	}
	def := event.ByName(names[0])
	selector := fmt.Sprintf(`{"source": "tracee", "name": %q}`, def.Name)
	if c.Origin != "any" {
		selector = fmt.Sprintf(`{"source": "tracee", "name": %q, "origin": %q}`, def.Name, c.Origin)
	}
	name := c.Name
	if name == "" {
		name = strings.ReplaceAll(c.ID, "_", " ")
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	data := map[string]any{
		"ID": c.ID, "Name": name, "Level": int(severity), "Technique": c.Technique, "Event": def.Name, "Prototype": def.String(), "Selector": selector,
		"Arg": textArgument(def),
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	rule, test := filepath.Join(c.Dir, c.ID+".rego"), filepath.Join(c.Dir, c.ID+"_test.rego")
	for path, t := range map[string]*template.Template{rule: ruleTemplate, test: ruleTestTemplate} {
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already: choose another id or folder", path)
		}
		if err != nil {
			return err
		}
		_, err = f.Write(b.Bytes())
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stdout, `Wrote %s
      %s

Next:
  tocsin events %s              what the event offers
  sudo tocsin trace -e %s       see it happen
  edit %s
  tocsin rules check %s && tocsin rules test %s
  sudo tocsin run --rules %s
`, rule, test, def.Name, def.Name, rule, c.Dir, c.Dir, c.Dir)
	return nil
}

// textArgument returns the argument that a first rule about the event most likely looks at, or "".
func textArgument(def *event.Def) string {
	for _, want := range telling {
		if i := def.Arg(want); i >= 0 && def.Args[i].Kind == event.KindString {
			return want
		}
	}
	i := slices.IndexFunc(def.Args, func(a event.Arg) bool { return a.Kind == event.KindString })
	if i < 0 {
		return ""
	}
	return def.Args[i].Name
}

type rulesExportCmd struct {
	Dir string `arg:"" help:"Folder to write the built-in rules to."`
}

func (rulesExportCmd) Help() string {
	return `Writes the built-in rules with their tests, helpers and lists, to read them, or to change some. A changed copy
takes the place of the built-in rule with its id when its folder is given with --rules.`
}

func (c *rulesExportCmd) Run(e *env) error {
	if list, err := os.ReadDir(c.Dir); err == nil && len(list) > 0 {
		return fmt.Errorf("%s is not empty: choose a new folder", c.Dir)
	}
	if err := os.CopyFS(c.Dir, rules.FS()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "Wrote %s to %s\n", plural(len(rules.Files()), "rule"), c.Dir)
	return err
}
