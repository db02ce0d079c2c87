package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/tocsin-io/tocsin/finding"
)

// sigmaRule is a Sigma rule, in the fields that matter here (Sigma specification 2.0).
type sigmaRule struct {
	Title          string         `yaml:"title"`
	ID             string         `yaml:"id"`
	Description    string         `yaml:"description"`
	References     []string       `yaml:"references"`
	Tags           []string       `yaml:"tags"`
	Level          string         `yaml:"level"`
	FalsePositives []string       `yaml:"falsepositives"`
	LogSource      sigmaLogSource `yaml:"logsource"`
	Detection      map[string]any `yaml:"detection"`
}

type sigmaLogSource struct {
	Product  string `yaml:"product"`
	Category string `yaml:"category"`
	Service  string `yaml:"service"`
}

// sigmaEvents are the events of a category, and the event's own fields in terms of the common ones.
var sigmaEvents = map[string]struct {
	events []string
	fields map[string]string
}{
	"process_creation": {[]string{"sched_process_exec"}, map[string]string{
		"Image": "proc.exepath", "CommandLine": "proc.cmdline", "ParentImage": "proc.pexepath", "ParentCommandLine": "proc.pcmdline", "User": "user.name",
		"CurrentDirectory": "pwd", "ProcessId": "proc.pid", "ParentProcessId": "proc.ppid", "ParentUser": "parent.user",
	}},
	"file_event": {[]string{"security_file_open", "security_inode_rename"}, map[string]string{
		"TargetFilename": "fd.name", "Image": "proc.exepath", "User": "user.name", "ProcessId": "proc.pid", "CommandLine": "proc.cmdline",
	}},
	"file_delete": {[]string{"security_inode_unlink"}, map[string]string{
		"TargetFilename": "fd.name", "Image": "proc.exepath", "User": "user.name", "ProcessId": "proc.pid", "CommandLine": "proc.cmdline",
	}},
	"network_connection": {[]string{"security_socket_connect"}, map[string]string{
		"DestinationIp": "fd.rip", "DestinationPort": "fd.rport", "Image": "proc.exepath", "User": "user.name", "ProcessId": "proc.pid", "CommandLine": "proc.cmdline",
	}},
}

// Sigma reads Sigma rules, one or several documents.
func Sigma(file string, src []byte) *Result {
	res := &Result{Rules: []Rule{}, Problems: []Problem{}}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var r sigmaRule
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return res
		}
		if err != nil {
			res.Problems = append(res.Problems, yamlProblem(file, err))
			return res
		}
		if r.Detection == nil && r.Title == "" {
			continue
		}
		s := &sigma{rule: &r, file: file}
		if out, ok := s.convert(); ok {
			res.Rules = append(res.Rules, out)
		}
		res.Problems = append(res.Problems, s.problems...)
	}
}

func yamlProblem(file string, err error) Problem {
	p := Problem{File: file, Reason: strings.SplitN(err.Error(), "\n", 2)[0]}
	var e yaml.Error
	if errors.As(err, &e) {
		p.Reason = e.GetMessage()
		if t := e.GetToken(); t != nil {
			p.Line = t.Position.Line
		}
	}
	return p
}

type sigma struct {
	rule     *sigmaRule
	file     string
	fields   map[string]string
	problems []Problem
	failed   bool
}

func (s *sigma) fail(format string, args ...any) *node {
	s.failed = true
	s.problems = append(s.problems, Problem{File: s.file, Rule: s.rule.Title, Reason: fmt.Sprintf(format, args...)})
	return truth(false)
}

func (s *sigma) convert() (Rule, bool) {
	r := s.rule
	if r.LogSource.Product != "" && r.LogSource.Product != "linux" {
		s.fail("it is for %s, not for Linux", r.LogSource.Product)
		return Rule{}, false
	}
	src, ok := sigmaEvents[r.LogSource.Category]
	if !ok {
		s.fail("log source category %q, service %q: only process_creation, file_event, file_delete and network_connection come from the kernel", r.LogSource.Category, r.LogSource.Service)
		return Rule{}, false
	}
	s.fields = src.fields
	text, ok := r.Detection["condition"].(string)
	if !ok {
		s.fail("no detection condition, or more than one")
		return Rule{}, false
	}
	cond := s.condition(text)
	if s.failed {
		return Rule{}, false
	}
	level := strings.ToLower(r.Level)
	if level == "informational" {
		level = "info"
	}
	severity, err := finding.ParseSeverity(level)
	if err != nil {
		severity = finding.Medium
	}
	m := meta{
		id: "sigma_" + ident(r.Title), name: r.Title, description: strings.TrimSpace(r.Description), origin: "From the Sigma rule " + r.ID, severity: severity,
		attack: finding.ATTACK().OfTags(r.Tags), tags: append([]string{"sigma"}, r.Tags...), references: r.References, falsePositives: r.FalsePositives,
	}
	e := &emitter{fields: commonFields, uses: map[string]bool{}}
	conds := map[string]*node{}
	for _, ev := range src.events {
		conds[ev] = cond
		if ev == "security_file_open" { // a file_event is a file that is made or written
			conds[ev] = and(&node{op: "cmp", field: "file.written", rel: "=", values: []string{"true"}}, cond)
			e.fields = withWritten
		}
	}
	events := e.possible(src.events, conds)
	if len(events) == 0 {
		s.fail("no event can satisfy its condition")
		return Rule{}, false
	}
	return Rule{ID: m.id, Name: r.Title, File: path.Base(m.id) + ".rego", Rego: e.write(m, events, conds), from: s.file}, true
}

// condition parses "selection and not 1 of filter_*".
func (s *sigma) condition(text string) *node {
	p := &sigmaParser{s: s, toks: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", "|", " | ").Replace(text))}
	n := p.or()
	if !s.failed && p.i < len(p.toks) {
		if p.toks[p.i] == "|" {
			return s.fail("condition: aggregation (%s)", strings.Join(p.toks[p.i:], " "))
		}
		return s.fail("condition: unexpected %q", p.toks[p.i])
	}
	return n
}

type sigmaParser struct {
	s    *sigma
	toks []string
	i    int
}

func (p *sigmaParser) peek() string {
	if p.i < len(p.toks) {
		return strings.ToLower(p.toks[p.i])
	}
	return ""
}

func (p *sigmaParser) or() *node {
	n := p.and()
	for p.peek() == "or" {
		p.i++
		n = or(n, p.and())
	}
	return n
}

func (p *sigmaParser) and() *node {
	n := p.not()
	for p.peek() == "and" {
		p.i++
		n = and(n, p.not())
	}
	return n
}

func (p *sigmaParser) not() *node {
	switch t := p.peek(); {
	case t == "":
		return p.s.fail("condition: it ends too soon")
	case t == "not":
		p.i++
		return not(p.not())
	case t == "(":
		p.i++
		n := p.or()
		if p.peek() != ")" {
			return p.s.fail("condition: a parenthesis is not closed")
		}
		p.i++
		return n
	case (t == "1" || t == "all" || t == "any") && p.i+2 < len(p.toks) && strings.EqualFold(p.toks[p.i+1], "of"):
		pattern := p.toks[p.i+2]
		p.i += 3
		return p.s.several(t == "all", pattern)
	}
	name := p.toks[p.i]
	p.i++
	if p.peek() == "of" {
		return p.s.fail("condition: %s of: only 1 of, any of and all of are carried over", name)
	}
	return p.s.selection(name)
}

func (s *sigma) several(all bool, pattern string) *node {
	var names []string
	for name := range s.rule.Detection {
		ok := pattern == "them" && !strings.HasPrefix(name, "_")
		if m, err := path.Match(pattern, name); err == nil && m {
			ok = true
		}
		if ok && name != "condition" && name != "timeframe" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return s.fail("condition: nothing is called %q", pattern)
	}
	kids := make([]*node, len(names))
	for i, n := range names {
		kids[i] = s.selection(n)
	}
	if all {
		return and(kids...)
	}
	return or(kids...)
}

func (s *sigma) selection(name string) *node {
	switch x := s.rule.Detection[name].(type) {
	case map[string]any:
		return s.fieldMap(x)
	case []any:
		var kids []*node
		for _, v := range x {
			m, ok := v.(map[string]any)
			if !ok {
				return s.fail("selection %s: keywords without a field", name)
			}
			kids = append(kids, s.fieldMap(m))
		}
		return or(kids...)
	case nil:
		return s.fail("condition: nothing is called %q", name)
	}
	return s.fail("selection %s: keywords without a field", name)
}

func (s *sigma) fieldMap(m map[string]any) *node {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var kids []*node
	for _, k := range keys {
		kids = append(kids, s.field(k, m[k]))
	}
	return and(kids...)
}

// field converts `Image|endswith: [a, b]`.
func (s *sigma) field(key string, value any) *node {
	name, mods, _ := strings.Cut(key, "|")
	if name == "Initiated" { // connections that this host opens are the only ones there are
		return truth(fmt.Sprint(value) == "true")
	}
	field, ok := s.fields[name]
	if !ok {
		return s.fail("field %s of %s is not carried by the events", name, s.rule.LogSource.Category)
	}
	n := &node{op: "cmp", field: field, rel: "=", fold: !numberField(field)}
	flags := ""
	for mod := range strings.SplitSeq(mods, "|") {
		switch mod {
		case "":
		case "contains", "startswith", "endswith", "cidr":
			n.rel = mod
		case "re":
			n.rel, n.fold = "regex", false
		case "i", "m", "s": // flags of a regular expression
			if n.rel != "regex" {
				return s.fail("modifier %s of field %s", mod, name)
			}
			flags += mod
		case "exists":
			c := &node{op: "cmp", field: field, rel: "exists"}
			if fmt.Sprint(value) == "false" {
				return not(c)
			}
			return c
		case "all":
			n.all = true
		case "cased":
			n.fold = false
		case "lt", "lte", "gt", "gte":
			n.rel = map[string]string{"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[mod]
		default:
			return s.fail("modifier %s of field %s", mod, name)
		}
	}
	if n.rel == "cidr" {
		n.fold = false
	}
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	var plain, globs []string
	for _, v := range values {
		if v == nil {
			return s.fail("field %s: a test for null", name)
		}
		text := fmt.Sprint(v)
		if flags != "" {
			text = "(?" + flags + ")" + text
		}
		if n.rel == "regex" || !strings.ContainsAny(text, `*?\`) {
			plain = append(plain, text)
			continue
		}
		globs = append(globs, sigmaGlob(text, n.rel))
	}
	var kids []*node
	if plain != nil {
		c := *n
		c.values = plain
		kids = append(kids, &c)
	}
	if globs != nil {
		kids = append(kids, &node{op: "cmp", field: field, rel: "glob", values: globs, fold: n.fold, all: n.all})
	}
	if len(kids) == 2 && n.all {
		return and(kids...)
	}
	return or(kids...)
}

// sigmaGlob turns a text with Sigma's wildcards, which a backslash escapes, into a glob.
func sigmaGlob(text, rel string) string {
	var b strings.Builder
	if rel == "contains" || rel == "endswith" {
		b.WriteByte('*')
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`*?\`, text[i+1]) >= 0:
			i++
			b.WriteByte('\\')
			b.WriteByte(text[i])
		case strings.IndexByte(`\[]{}!,`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	if rel == "contains" || rel == "startswith" {
		b.WriteByte('*')
	}
	return b.String()
}
