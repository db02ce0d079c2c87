// Package importer turns rules of other systems into Rego rules: Falco's, and Sigma's for Linux. What can't be carried over
// is named, with its place: such a rule is not written, rather than written with another meaning.
package importer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// Result is what became of a file.
type Result struct {
	Rules    []Rule    `json:"rules"`
	Problems []Problem `json:"problems"`
}

// Rule is one Rego rule.
type Rule struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	File string `json:"file"` // name to write it to
	Rego string `json:"rego"`

	from string // the file that it was in
}

// Problem is something that could not be carried over as it is.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason"`
	// Left out: the rule was written, without this; else the rule was not written.
	LeftOut bool `json:"leftOut,omitempty"`
}

func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Rule != "" {
		s += ": " + strconv.Quote(p.Rule)
	}
	s += ": " + p.Reason
	if p.LeftOut {
		s += " (note: the rule is written)"
	}
	return s
}

// Join puts results together. Of two rules with one id, whose files would have one name, the first stays.
func Join(results ...*Result) *Result {
	all := &Result{Rules: []Rule{}, Problems: []Problem{}}
	for _, r := range results {
		all.Problems = append(all.Problems, r.Problems...)
		for _, rule := range r.Rules {
			if i := slices.IndexFunc(all.Rules, func(x Rule) bool { return x.ID == rule.ID }); i >= 0 {
				all.Problems = append(all.Problems, Problem{File: rule.from, Rule: rule.Name, Reason: fmt.Sprintf("an earlier rule, %q, has its id, %s: give it another name", all.Rules[i].Name, rule.ID)})
				continue
			}
			all.Rules = append(all.Rules, rule)
		}
	}
	return all
}

// node is a condition in a form that both languages share.
type node struct {
	op   string // "and", "or", "not", "cmp", "true", "false"
	kids []*node
	// cmp
	field  string
	rel    string // "=", "contains", "startswith", "endswith", "glob", "regex", "exists", "<", "<=", ">", ">=", "pmatch", "cidr"
	values []string
	fold   bool // letters' case does not matter
	all    bool // every value, not any
}

func truth(b bool) *node {
	if b {
		return &node{op: "true"}
	}
	return &node{op: "false"}
}

func and(kids ...*node) *node { return join("and", "true", "false", kids) }
func or(kids ...*node) *node  { return join("or", "false", "true", kids) }

// join drops neutral parts and stops at a deciding one.
func join(op, neutral, deciding string, kids []*node) *node {
	var out []*node
	for _, k := range kids {
		switch k.op {
		case neutral:
		case deciding:
			return k
		case op:
			out = append(out, k.kids...)
		default:
			out = append(out, k)
		}
	}
	switch len(out) {
	case 0:
		return &node{op: neutral}
	case 1:
		return out[0]
	}
	return &node{op: op, kids: out}
}

func not(n *node) *node {
	switch n.op {
	case "true", "false":
		return truth(n.op == "false")
	case "not":
		return n.kids[0]
	}
	return &node{op: "not", kids: []*node{n}}
}

// under rewrites the condition for one event: comparisons that f can decide become true or false, the others stay.
func (n *node) under(f func(*node) *node) *node {
	switch n.op {
	case "and", "or", "not":
		kids := make([]*node, len(n.kids))
		for i, k := range n.kids {
			kids[i] = k.under(f)
		}
		switch n.op {
		case "and":
			return and(kids...)
		case "or":
			return or(kids...)
		}
		return not(kids[0])
	case "cmp":
		if d := f(n); d != nil {
			return d
		}
	}
	return n
}

// meta is what a Rego rule's metadata is made of.
type meta struct {
	id, name, description, origin string
	severity                      finding.Severity
	attack, tags, references      []string
	falsePositives                []string
	disabled                      bool
}

// emitter writes the Rego of one rule.
type emitter struct {
	fields  map[string][]string // definitions of the fields that are used, by name
	uses    map[string]bool
	helpers []string
	n       int
}

// fieldRef notes the use of a field and returns the name of its Rego rule.
func (e *emitter) fieldRef(field string) string {
	e.uses[field] = true
	return ident(field)
}

var notIdent = regexp.MustCompile(`[^a-z0-9]+`)

// ident makes a name that Rego and file systems take.
func ident(s string) string {
	s = strings.Trim(notIdent.ReplaceAllString(strings.ToLower(s), "_"), "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "r_" + s
	}
	return s
}

// body returns the expressions of a conjunction.
func (e *emitter) body(n *node) []string {
	switch n.op {
	case "and":
		var out []string
		for _, k := range n.kids {
			out = append(out, e.body(k)...)
		}
		return out
	case "true":
		return []string{"true"}
	case "false":
		return []string{"false"}
	case "cmp":
		return e.compare(n)
	case "not":
		return []string{"not " + e.named(n.kids[0])}
	}
	return []string{e.named(n)}
}

// named makes a rule of its own that holds where the condition does. A negation needs one: a value that is not there must
// make the condition false, not undefined.
func (e *emitter) named(n *node) string {
	e.n++
	name := "condition_" + strconv.Itoa(e.n)
	kids := []*node{n}
	if n.op == "or" {
		kids = n.kids
	}
	for _, k := range kids {
		e.helpers = append(e.helpers, name+" if {\n\t"+strings.Join(e.body(k), "\n\t")+"\n}")
	}
	return name
}

// compare writes one comparison.
func (e *emitter) compare(n *node) []string {
	ref := e.fieldRef(n.field)
	values := slices.Clone(n.values)
	if n.fold {
		for i, v := range values {
			values[i] = strings.ToLower(v)
		}
	}
	left := func(f string) string {
		if n.fold {
			return "lower(" + f + ")"
		}
		return f
	}
	if n.rel == "exists" {
		return []string{"_ = " + ref}
	}
	call := map[string]string{
		"=": "%[1]s == %[2]s", "contains": "contains(%[1]s, %[2]s)", "startswith": "startswith(%[1]s, %[2]s)", "endswith": "endswith(%[1]s, %[2]s)",
		"glob": "glob.match(%[2]s, null, %[1]s)", "regex": "regex.match(%[2]s, %[1]s)", "pmatch": "below(%[1]s, %[2]s)", "cidr": "net.cidr_contains(%[2]s, %[1]s)",
		"<": "%[1]s < %[2]s", "<=": "%[1]s <= %[2]s", ">": "%[1]s > %[2]s", ">=": "%[1]s >= %[2]s",
	}[n.rel]
	if n.rel == "pmatch" {
		e.uses["below"] = true
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = e.constant(n, v)
	}
	switch {
	case listField(n.field):
		e.n++
		el := "element_" + strconv.Itoa(e.n)
		v := quoted[0]
		out := []string{"some " + el + " in " + ref}
		if len(quoted) > 1 {
			out = append(out, "some value_"+strconv.Itoa(e.n)+" in ["+strings.Join(quoted, ", ")+"]")
			v = "value_" + strconv.Itoa(e.n)
		}
		return append(out, fmt.Sprintf(call, left(el), v))
	case len(quoted) == 1 || n.all:
		var out []string
		for _, q := range quoted {
			out = append(out, fmt.Sprintf(call, left(ref), q))
		}
		return out
	case n.rel == "=":
		return []string{left(ref) + " in {" + strings.Join(quoted, ", ") + "}"}
	}
	e.n++
	v := "value_" + strconv.Itoa(e.n)
	return []string{"some " + v + " in [" + strings.Join(quoted, ", ") + "]", fmt.Sprintf(call, left(ref), v)}
}

// constant writes a value: a number where the field is one.
func (e *emitter) constant(n *node, v string) string {
	if numberField(n.field) {
		if _, err := strconv.ParseInt(v, 10, 64); err == nil {
			return v
		}
	}
	return strconv.Quote(v)
}

const belowHelper = `below(path, root) if path == root

below(path, root) if startswith(path, concat("", [trim_suffix(root, "/"), "/"]))`

// possible returns the events that can satisfy their conditions: a field that an event never has makes a comparison false.
func (e *emitter) possible(events []string, conds map[string]*node) []string {
	return slices.DeleteFunc(slices.Clone(events), func(ev string) bool {
		conds[ev] = conds[ev].under(func(n *node) *node {
			if slices.ContainsFunc(e.fields[n.field], func(d string) bool { return applies(d, []string{ev}) }) {
				return nil
			}
			return truth(false)
		})
		return conds[ev].op == "false"
	})
}

// write makes the Rego text. Each event has a condition of its own.
func (e *emitter) write(m meta, events []string, conds map[string]*node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\npackage imported.%s\n\nimport rego.v1\n\nimport data.tracee.helpers\n\n", strings.ReplaceAll(m.origin, "\n", " "), m.id)
	b.WriteString("__rego_metadoc__ := {\n")
	field := func(k, v string) { fmt.Fprintf(&b, "\t%q: %s,\n", k, v) }
	field("id", strconv.Quote(m.id))
	field("version", `"1.0.0"`)
	field("name", strconv.Quote(m.name))
	field("description", strconv.Quote(m.description))
	field("tags", list(m.tags))
	fmt.Fprintf(&b, "\t\"properties\": {\n\t\t\"Severity\": %d,\n", m.severity)
	if len(m.attack) > 0 {
		fmt.Fprintf(&b, "\t\t\"MITRE ATT&CK\": %s,\n", list(m.attack))
	}
	b.WriteString("\t},\n")
	if len(m.references) > 0 {
		field("references", list(m.references))
	}
	if len(m.falsePositives) > 0 {
		field("false_positives", list(m.falsePositives))
	}
	if m.disabled {
		field("enabled", "false")
	}
	b.WriteString("}\n\n")
	for _, ev := range events {
		fmt.Fprintf(&b, "tracee_selected_events contains {\"source\": \"tracee\", \"name\": %q, \"origin\": \"*\"}\n\n", ev)
	}
	for _, ev := range events {
		c := conds[ev]
		alternatives := []*node{c}
		if c.op == "or" {
			alternatives = c.kids
		}
		for _, a := range alternatives {
			lines := slices.Concat([]string{fmt.Sprintf("input.eventName == %q", ev)}, e.body(a))
			fmt.Fprintf(&b, "tracee_match if {\n\t%s\n}\n\n", strings.Join(lines, "\n\t"))
		}
	}
	for _, h := range e.helpers {
		b.WriteString(h + "\n\n")
	}
	used := make([]string, 0, len(e.uses))
	for f := range e.uses {
		used = append(used, f)
	}
	slices.SortFunc(used, cmp.Compare[string])
	for _, f := range used {
		if f == "below" {
			b.WriteString(belowHelper + "\n\n")
			continue
		}
		for _, d := range e.fields[f] {
			if !applies(d, events) {
				continue
			}
			b.WriteString(ident(f) + " := " + d + "\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

var (
	forEvent   = regexp.MustCompile(`input\.eventName == "(\w+)"`)
	forOther   = regexp.MustCompile(`input\.eventName != "(\w+)"`)
	ofArgument = regexp.MustCompile(`get_tracee_argument\("([\w.]+)"\)`)
)

// applies reports whether a definition has a value for any of the events.
func applies(definition string, events []string) bool {
	return slices.ContainsFunc(events, func(ev string) bool {
		if m := forEvent.FindStringSubmatch(definition); m != nil && m[1] != ev {
			return false
		}
		if m := forOther.FindStringSubmatch(definition); m != nil && m[1] == ev {
			return false
		}
		m := ofArgument.FindStringSubmatch(definition)
		def := event.ByName(ev)
		return m == nil || def == nil || def.Arg(m[1]) >= 0
	})
}

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
