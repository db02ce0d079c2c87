package importer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/tocsin-io/tocsin/finding"
)

// falcoItem is one item of a Falco rules file: a list, a macro or a rule.
type falcoItem struct {
	List      string         `yaml:"list"`
	Items     []any          `yaml:"items"`
	Macro     string         `yaml:"macro"`
	Rule      string         `yaml:"rule"`
	Desc      string         `yaml:"desc"`
	Condition string         `yaml:"condition"`
	Output    string         `yaml:"output"`
	Priority  string         `yaml:"priority"`
	Tags      []string       `yaml:"tags"`
	Enabled   *bool          `yaml:"enabled"`
	Source    string         `yaml:"source"`
	Append    bool           `yaml:"append"`
	Override  map[string]any `yaml:"override"`
	Exempt    []falcoExempt  `yaml:"exceptions"`

	file string
}

// falcoExempt is an exception of a rule: fields, how each is compared, and the values that are no finding.
type falcoExempt struct {
	Name   string `yaml:"name"`
	Fields any    `yaml:"fields"` // one, or a list
	Comps  any    `yaml:"comps"`
	Values []any  `yaml:"values"` // of one field, or lists with one for each field
}

// falcoEvents are the kernel events that stand for Falco's system calls.
var falcoEvents = map[string][]string{
	"open": {"security_file_open"}, "openat": {"security_file_open"}, "openat2": {"security_file_open"}, "creat": {"security_file_open"},
	"open_by_handle_at": {"security_file_open"}, "execve": {"sched_process_exec"}, "execveat": {"sched_process_exec"},
	"connect": {"security_socket_connect"}, "bind": {"security_socket_bind"}, "listen": {"security_socket_listen"},
	"accept": {"security_socket_accept"}, "accept4": {"security_socket_accept"}, "socket": {"security_socket_create"},
	"unlink": {"security_inode_unlink"}, "unlinkat": {"security_inode_unlink"}, "rmdir": {"security_inode_unlink"},
	"rename": {"security_inode_rename"}, "renameat": {"security_inode_rename"}, "renameat2": {"security_inode_rename"},
	"symlink": {"security_inode_symlink"}, "symlinkat": {"security_inode_symlink"}, "mknod": {"security_inode_mknod"}, "mknodat": {"security_inode_mknod"},
	"chmod": {"fchmodat"}, "fchmod": {"fchmodat"}, "fchmodat": {"fchmodat"}, "ptrace": {"ptrace"}, "mount": {"security_sb_mount"}, "umount": {"security_sb_umount"},
	"umount2": {"security_sb_umount"}, "setns": {"setns"}, "unshare": {"unshare"}, "init_module": {"init_module"}, "finit_module": {"finit_module"},
	"bpf": {"security_bpf"}, "kill": {"kill"}, "setuid": {"setuid"}, "setgid": {"setgid"}, "setresuid": {"setresuid"}, "dup": {"socket_dup"}, "dup2": {"socket_dup"},
	"dup3": {"socket_dup"}, "memfd_create": {"memfd_create"}, "prctl": {"prctl"}, "process_vm_readv": {"process_vm_readv"},
	"process_vm_writev": {"process_vm_writev"}, "clone": {"sched_process_fork"}, "clone3": {"sched_process_fork"}, "fork": {"sched_process_fork"},
	"vfork": {"sched_process_fork"}, "procexit": {"sched_process_exit"},
}

// falcoMacros are macros that files of rules take for granted, since Falco's own rules define them. A file's own definition wins.
var falcoMacros = map[string]string{
	"container":       "container.id != host",
	"spawned_process": "evt.type in (execve, execveat)",
	"open_read":       "evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.typechar = f",
	"open_write":      "evt.type in (open, openat, openat2) and evt.is_open_write = true and fd.typechar = f",
	"outbound":        "evt.type = connect and fd.typechar in (4, 6)",
}

// File is one of the files that are read together.
type File struct {
	Name string
	Text []byte
}

// Falco reads files of Falco's rules, with the lists and macros that they need. What a file defines, changes or appends to holds
// for those before it as well, as when Falco is given them in this order.
func Falco(files ...File) *Result {
	res := &Result{Rules: []Rule{}, Problems: []Problem{}}
	f := &falco{lists: map[string][]string{}, macros: maps.Clone(falcoMacros)}
	var rules []*falcoItem
	for _, file := range files {
		dec := yaml.NewDecoder(bytes.NewReader(file.Text))
		for {
			var items []falcoItem
			err := dec.Decode(&items)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				f.problems = append(f.problems, yamlProblem(file.Name, err))
				break
			}
			for i := range items {
				items[i].file = file.Name
				rules = f.item(&items[i], rules)
			}
		}
	}
	for _, r := range rules {
		before := len(f.problems)
		out, ok := f.convert(r)
		if !ok { // what such a rule would have been written without does not matter
			f.problems = append(f.problems[:before], slices.DeleteFunc(f.problems[before:], func(p Problem) bool { return p.LeftOut })...)
			continue
		}
		res.Rules = append(res.Rules, out)
	}
	res.Problems = append(res.Problems, f.problems...)
	return res
}

type falco struct {
	lists    map[string][]string
	macros   map[string]string
	rule     *falcoItem
	depth    int
	problems []Problem
	failed   bool // the rule can't be written; what else is wrong with it is still looked for
	broken   bool // its condition can't be read any further
}

func (f *falco) fail(format string, args ...any) *node {
	f.failed = true
	f.say(false, format, args...)
	return &node{op: "cmp"} // neither true nor false, so that nothing beside it is dropped
}

// stop is a failure after which the rest of the condition has no meaning.
func (f *falco) stop(format string, args ...any) *node {
	f.broken = true
	return f.fail(format, args...)
}

func (f *falco) leftOut(format string, args ...any) { f.say(true, format, args...) }

func (f *falco) say(leftOut bool, format string, args ...any) {
	p := Problem{File: f.rule.file, Rule: f.rule.Rule, Reason: fmt.Sprintf(format, args...), LeftOut: leftOut}
	if !slices.Contains(f.problems, p) {
		f.problems = append(f.problems, p)
	}
}

// item takes up a list, macro or rule, and what changes an earlier one.
func (f *falco) item(x *falcoItem, rules []*falcoItem) []*falcoItem {
	f.rule = &falcoItem{Rule: cmp.Or(x.List, x.Macro, x.Rule), file: x.file}
	appends := func(key string) bool { return x.Append || x.Override[key] == "append" }
	switch {
	case x.List != "":
		if _, known := f.lists[x.List]; appends("items") && !known {
			f.fail("it appends to a list that is not in the files: give the file that defines it first")
		}
		if !appends("items") {
			f.lists[x.List] = nil
		}
		for _, v := range x.Items {
			f.lists[x.List] = append(f.lists[x.List], unquoted(v))
		}
	case x.Macro != "":
		if appends("condition") {
			if _, known := f.macros[x.Macro]; !known {
				f.fail("it appends to a macro that is not in the files: give the file that defines it first")
				return rules
			}
			x.Condition = f.macros[x.Macro] + " " + x.Condition
		}
		f.macros[x.Macro] = x.Condition
	case x.Rule != "":
		i := slices.IndexFunc(rules, func(r *falcoItem) bool { return r.Rule == x.Rule })
		changes := x.Append || len(x.Override) > 0
		switch {
		case i < 0 && (changes || x.Condition == "" && x.Enabled != nil):
			f.fail("it changes a rule that is not in the files: give the file that defines it first")
		case i < 0:
			return append(rules, x)
		case changes:
			f.override(rules[i], x)
		case x.Condition == "" && x.Enabled != nil:
			rules[i].Enabled = x.Enabled
		default:
			rules[i] = x
		}
	}
	return rules
}

// override changes an earlier rule in what a later item names.
func (f *falco) override(old, x *falcoItem) {
	how := x.Override
	if x.Append {
		how = map[string]any{"condition": "append", "exceptions": "append", "tags": "append"}
	}
	for _, key := range slices.Sorted(maps.Keys(how)) {
		appends := how[key] == "append"
		if !appends && how[key] != "replace" {
			f.fail("override of %s: %v is neither append nor replace", key, how[key])
			continue
		}
		switch key {
		case "condition":
			if appends {
				x.Condition = old.Condition + " " + x.Condition
			}
			old.Condition = x.Condition
		case "exceptions":
			if !appends {
				old.Exempt = nil
			}
			for _, e := range x.Exempt {
				same := slices.IndexFunc(old.Exempt, func(o falcoExempt) bool { return o.Name == e.Name && e.Name != "" })
				if same >= 0 && e.Fields == nil {
					old.Exempt[same].Values = append(old.Exempt[same].Values, e.Values...)
				} else {
					old.Exempt = append(old.Exempt, e)
				}
			}
		case "tags":
			if !appends {
				old.Tags = nil
			}
			old.Tags = append(old.Tags, x.Tags...)
		case "desc":
			if appends {
				x.Desc = old.Desc + " " + x.Desc
			}
			old.Desc = x.Desc
		case "priority":
			old.Priority = x.Priority
		case "enabled":
			old.Enabled = x.Enabled
		case "output", "warn_evttypes", "skip-if-unknown-filter", "capture", "capture_duration": // nothing here depends on them
		default:
			f.leftOut("override of %s", key)
		}
	}
}

var falcoPriorities = map[string]finding.Severity{
	"emergency": finding.Critical, "alert": finding.Critical, "critical": finding.Critical, "error": finding.High, "warning": finding.Medium,
	"notice": finding.Low, "informational": finding.Info, "info": finding.Info, "debug": finding.Info,
}

func (f *falco) convert(r *falcoItem) (Rule, bool) {
	f.rule, f.failed, f.broken, f.depth = r, false, false, 0
	if r.Source != "" && r.Source != "syscall" {
		f.fail("its source is %s, not system calls", r.Source)
		return Rule{}, false
	}
	cond := f.parse(r.Condition)
	for _, e := range r.Exempt {
		cond = and(cond, not(f.exempt(e)))
	}
	severity, ok := falcoPriorities[strings.ToLower(r.Priority)]
	if !ok {
		severity = finding.Medium
		f.leftOut("priority %q: the rule is of medium severity", r.Priority)
	}
	if f.broken {
		return Rule{}, false
	}
	var events []string
	conds := map[string]*node{}
	for _, names := range falcoEvents {
		for _, ev := range names {
			if _, done := conds[ev]; done {
				continue
			}
			c := cond.under(func(n *node) *node { return f.decide(n, ev) })
			conds[ev] = c
			if c.op != "false" {
				events = append(events, ev)
				f.carried(c)
			}
		}
	}
	switch {
	case f.failed:
		return Rule{}, false
	case len(events) == 0:
		f.fail("none of its events comes from the kernel here")
		return Rule{}, false
	case len(events) > 12:
		f.fail("it names no event (evt.type): it would run on every one")
		return Rule{}, false
	}
	slices.Sort(events)
	e := &emitter{fields: falcoFields, uses: map[string]bool{}}
	if events = e.possible(events, conds); len(events) == 0 {
		f.fail("it asks for fields that its events never have")
		return Rule{}, false
	}
	m := meta{
		id: "falco_" + ident(r.Rule), name: r.Rule, description: strings.TrimSpace(r.Desc), origin: "From the Falco rule " + r.Rule,
		severity: severity, attack: finding.ATTACK().OfTags(r.Tags), tags: append([]string{"falco"}, r.Tags...),
		disabled: r.Enabled != nil && !*r.Enabled,
	}
	return Rule{ID: m.id, Name: r.Rule, File: m.id + ".rego", Rego: e.write(m, events, conds), from: r.file}, true
}

// carried says which fields that are still asked for no event has. Fields that only go with other events are no loss.
func (f *falco) carried(n *node) {
	for _, k := range n.kids {
		f.carried(k)
	}
	if n.op == "cmp" && n.field != "" && falcoFields[n.field] == nil {
		f.fail("field %s is not carried by the events", n.field)
	}
}

// exempt makes the condition that an exception leaves out. Without values there is none: it is a place for others to fill.
func (f *falco) exempt(e falcoExempt) *node {
	fields, several := e.Fields.([]any)
	comps, _ := e.Comps.([]any)
	if !several {
		op := "in"
		if e.Comps != nil {
			op = fmt.Sprint(e.Comps)
		}
		if len(e.Values) == 0 {
			return truth(false)
		}
		return f.exemptField(e, e.Fields, op, e.Values)
	}
	some := truth(false)
	for _, v := range e.Values {
		values, ok := v.([]any)
		if !ok || len(values) != len(fields) || comps != nil && len(comps) != len(fields) {
			return f.fail("exception %s: it has not one comparison and one value for each field", e.Name)
		}
		all := truth(true)
		for i, field := range fields {
			op := "="
			if comps != nil {
				op = fmt.Sprint(comps[i])
			}
			items, isList := values[i].([]any)
			if !isList {
				items = []any{values[i]}
			}
			all = and(all, f.exemptField(e, field, op, items))
		}
		some = or(some, all)
	}
	return some
}

func (f *falco) exemptField(e falcoExempt, field any, op string, items []any) *node {
	name, isText := field.(string)
	if !isText {
		return f.fail("exception %s has no fields", e.Name)
	}
	rel, known := falcoOps[op]
	if !known {
		return f.fail("exception %s: operator %q of field %s", e.Name, op, name)
	}
	var values []string
	for _, item := range items {
		values = append(values, f.expand(token{text: unquoted(item)})...)
	}
	return f.compare(name, rel, values)
}

// unquoted is an item of a list as a text. Falco's own files put quotes within YAML's around some.
func unquoted(item any) string { return strings.Trim(fmt.Sprint(item), `"'`) }

// decide resolves comparisons that depend on the kind of event alone; nil leaves the comparison to the rule.
func (f *falco) decide(n *node, ev string) *node {
	equals := func(have ...string) *node {
		if n.rel != "=" {
			return nil
		}
		return truth(slices.ContainsFunc(n.values, func(v string) bool { return slices.Contains(have, v) }))
	}
	switch n.field {
	case "evt.type", "syscall.type":
		if n.rel != "=" {
			return f.fail("operator %q of field %s", n.rel, n.field)
		}
		for _, v := range n.values {
			if falcoEvents[v] == nil {
				f.leftOut("%s %s: no event of Tocsin stands for it", n.field, v)
			}
		}
		return truth(slices.ContainsFunc(n.values, func(v string) bool { return slices.Contains(falcoEvents[v], ev) }))
	case "evt.is_open_write", "evt.is_open_read":
		if ev != "security_file_open" {
			return truth(false)
		}
		c := *n
		c.field = map[string]string{"evt.is_open_write": "file.written", "evt.is_open_read": "file.read"}[n.field]
		return &c
	case "fd.typechar", "fd.type":
		switch {
		case strings.HasPrefix(ev, "security_socket_"):
			return nil
		case pathEvents[ev] != "":
			return equals("f", "file")
		}
		return truth(false)
	}
	return nil
}

// constant decides comparisons that hold for every event that rules see here, or for none.
func (f *falco) constant(field, rel string, values []string) *node {
	const allowed = "the events are what the kernel allows or is about to do"
	first := append(slices.Clip(values), "")[0]
	switch field {
	case "evt.num": // never_true and always_true of Falco's own rules
		switch {
		case rel == "=" && first == "0":
			return truth(false)
		case rel == ">=" && first == "0", rel == ">" && first == "0":
			return truth(true)
		}
	case "evt.dir":
		return truth(slices.Contains(values, "<") || slices.Contains(values, ">")) // there is one event for both ends of a call
	case "evt.failed":
		if rel == "=" && first == "false" {
			f.leftOut("evt.failed: %s", allowed)
			return truth(true)
		}
		return f.fail("evt.failed: %s", allowed)
	case "evt.rawres", "evt.res":
		zero := (rel == ">=" || rel == "=" || rel == ">") && first == "0" && len(values) == 1
		if zero || rel == "=" && (slices.Contains(values, "SUCCESS") || slices.Contains(values, "EINPROGRESS")) {
			f.leftOut("%s: %s", field, allowed)
			return truth(true)
		}
		return f.fail("%s %s %s: %s", field, rel, strings.Join(values, ", "), allowed)
	case "fd.num":
		if rel == ">=" {
			return truth(true)
		}
	}
	return nil
}
