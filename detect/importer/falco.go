package importer

import (
	"bytes"
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
	Exempt    []any          `yaml:"exceptions"`
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

// Falco reads a file of Falco's rules, with the lists and macros that they need.
func Falco(file string, src []byte) *Result {
	res := &Result{Rules: []Rule{}, Problems: []Problem{}}
	f := &falco{file: file, lists: map[string][]string{}, macros: maps.Clone(falcoMacros)}
	var rules []*falcoItem
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var items []falcoItem
		err := dec.Decode(&items)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			res.Problems = append(res.Problems, yamlProblem(file, err))
			return res
		}
		for i := range items {
			rules = f.item(&items[i], rules)
		}
	}
	for _, r := range rules {
		f.problems = nil
		if out, ok := f.convert(r); ok {
			res.Rules = append(res.Rules, out)
		}
		res.Problems = append(res.Problems, f.problems...)
	}
	return res
}

type falco struct {
	file     string
	lists    map[string][]string
	macros   map[string]string
	rule     *falcoItem
	depth    int
	problems []Problem
	failed   bool
}

func (f *falco) fail(format string, args ...any) *node {
	f.failed = true
	f.leftOut(format, args...)
	f.problems[len(f.problems)-1].LeftOut = false
	return truth(false)
}

func (f *falco) leftOut(format string, args ...any) {
	p := Problem{File: f.file, Rule: f.rule.Rule, Reason: fmt.Sprintf(format, args...), LeftOut: true}
	if !slices.Contains(f.problems, p) {
		f.problems = append(f.problems, p)
	}
}

// item takes up a list, macro or rule, and what is appended to an earlier one.
func (f *falco) item(x *falcoItem, rules []*falcoItem) []*falcoItem {
	appends := x.Append
	for _, how := range x.Override {
		appends = appends || how == "append"
	}
	switch {
	case x.List != "":
		if !appends {
			f.lists[x.List] = nil
		}
		for _, v := range x.Items {
			f.lists[x.List] = append(f.lists[x.List], strings.Trim(fmt.Sprint(v), `"'`))
		}
	case x.Macro != "":
		if appends {
			x.Condition = f.macros[x.Macro] + " " + x.Condition
		}
		f.macros[x.Macro] = x.Condition
	case x.Rule != "":
		if i := slices.IndexFunc(rules, func(r *falcoItem) bool { return r.Rule == x.Rule }); i >= 0 {
			old := rules[i]
			switch {
			case appends:
				old.Condition += " " + x.Condition
				old.Tags = append(old.Tags, x.Tags...)
			case x.Condition == "" && x.Enabled != nil:
				old.Enabled = x.Enabled
			default:
				rules[i] = x
			}
			return rules
		}
		return append(rules, x)
	}
	return rules
}

var falcoPriorities = map[string]finding.Severity{
	"emergency": finding.Critical, "alert": finding.Critical, "critical": finding.Critical, "error": finding.High, "warning": finding.Medium,
	"notice": finding.Low, "informational": finding.Info, "info": finding.Info, "debug": finding.Info,
}

func (f *falco) convert(r *falcoItem) (Rule, bool) {
	f.rule, f.failed, f.depth = r, false, 0
	if r.Source != "" && r.Source != "syscall" {
		f.fail("its source is %s, not system calls", r.Source)
		return Rule{}, false
	}
	cond := f.parse(r.Condition)
	if len(r.Exempt) > 0 {
		f.leftOut("exceptions: write them as exceptions of the new rule")
	}
	if f.failed {
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
	m := meta{
		id: "falco_" + ident(r.Rule), name: r.Rule, description: strings.TrimSpace(r.Desc), origin: "From the Falco rule " + r.Rule,
		severity: falcoPriorities[strings.ToLower(r.Priority)], attack: finding.ATTACK().OfTags(r.Tags), tags: append([]string{"falco"}, r.Tags...),
		disabled: r.Enabled != nil && !*r.Enabled,
	}
	e := &emitter{fields: withWritten, uses: map[string]bool{}}
	return Rule{ID: m.id, Name: r.Rule, File: m.id + ".rego", Rego: e.write(m, events, conds)}, true
}

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
			return f.fail("%s %s", n.field, n.rel)
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

// constants are comparisons that hold for every event that rules see here, or for none.
func (f *falco) constant(field, rel string, values []string) *node {
	switch field {
	case "evt.dir":
		return truth(slices.Contains(values, "<"))
	case "evt.failed":
		f.leftOut("evt.failed: the events are what the kernel allows or is about to do")
		return truth(slices.Contains(values, "false"))
	case "evt.rawres", "evt.res", "fd.num":
		if field == "fd.num" && rel != ">=" {
			return nil
		}
		if field != "fd.num" {
			f.leftOut("%s: the events are what the kernel allows or is about to do", field)
		}
		return truth(true)
	}
	return nil
}
