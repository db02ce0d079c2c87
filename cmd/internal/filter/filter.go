// Package filter reads what users write to choose events: names, globs and sets of events, conditions on their
// arguments, and on the task. It is the filter of "tocsin trace".
package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/gobwas/glob"

	"github.com/tocsin-io/tocsin/event"
)

// Scope are the conditions on the task, for all events. Empty fields allow everything; the values of one field are
// alternatives.
type Scope struct {
	Origins    []string // "host", "container", "container-init"
	PIDs       []uint32 // in the initial pid namespace
	UIDs       []uint32 // real user ids
	Comms      []string // globs
	Containers []string // ids, beginnings of ids, or globs on names
	Cgroups    []uint64 // ids of control groups
	MntNS      []uint32 // inode numbers of mount namespaces
	PidNS      []uint32 // … of pid namespaces
}

// Filter chooses events.
type Filter struct {
	events map[string][]group // by event name; no groups: every occurrence
	order  []string
	named  map[string]bool // those that were asked for by their own name, not by a glob or a set

	origins    event.Origins
	scope      Scope
	comms      []*glob.Pattern
	containers []*glob.Pattern
}

// group is the conditions on one field of one event: positive ones are alternatives, negative ones must all hold.
type group struct {
	field string
	conds []cond
}

// Parse reads expressions: "NAME", a glob of names or a set of events, several separated by commas, with a "-" before what is left
// out of the others; or a condition "NAME.FIELD OP VALUE[,VALUE…]" with OP one of = != < <= > >=. FIELD is an argument, a part of
// an address ("remote_addr.sun_path"), or "retval". Values of = and != may be globs, and are alternatives. No expression at all
// chooses nothing.
func Parse(exprs []string, scope Scope) (*Filter, error) {
	f := &Filter{events: map[string][]group{}, named: map[string]bool{}, scope: scope}
	var without []string
	for _, expr := range exprs {
		left, err := f.add(strings.TrimSpace(expr))
		if err != nil {
			return nil, err
		}
		without = append(without, left...)
	}
	f.Remove(without) // at the end: the order of the expressions says nothing
	if len(without) > 0 && len(f.order) == 0 {
		return nil, fmt.Errorf("%s leaves no event: name those to choose from too, as in fs,-openat", strings.Join(exprs, ","))
	}
	for _, o := range scope.Origins {
		switch o {
		case "host":
			f.origins |= event.InHost
		case "container":
			f.origins |= event.InContainer
		case "container-init":
			f.origins |= event.InContainerInit
		default:
			return nil, fmt.Errorf("origin %q: use host, container or container-init", o)
		}
	}
	var err error
	if f.comms, err = globs(scope.Comms); err != nil {
		return nil, err
	}
	f.containers, err = globs(scope.Containers)
	return f, err
}

// add reads one expression, and returns the events that it leaves out.
func (f *Filter) add(expr string) (without []string, err error) {
	if i := strings.IndexAny(expr, "=!<>"); i >= 0 {
		return nil, f.condition(expr[:i], expr[i:])
	}
	for name := range strings.SplitSeq(expr, ",") {
		name, out := strings.CutPrefix(strings.TrimSpace(name), "-")
		names, err := Expand(name)
		if err != nil {
			return nil, err
		}
		if out {
			without = append(without, names...)
			continue
		}
		for _, n := range names {
			f.choose(n)
			f.named[n] = f.named[n] || n == name
		}
	}
	return without, nil
}

// Remove leaves these events out.
func (f *Filter) Remove(names []string) {
	f.order = slices.DeleteFunc(f.order, func(n string) bool { return slices.Contains(names, n) })
	for _, n := range names {
		delete(f.events, n)
	}
}

// Named reports whether the event was asked for by its own name, not by a glob or a set that it is in.
func (f *Filter) Named(event string) bool { return f.named[event] }

func (f *Filter) choose(name string) {
	if _, ok := f.events[name]; !ok {
		f.events[name] = nil
		f.order = append(f.order, name)
	}
}

// Expand returns the events that a name, a glob or a set stands for.
func Expand(name string) ([]string, error) {
	if event.ByName(name) != nil {
		return []string{name}, nil
	}
	var names []string
	if strings.ContainsAny(name, "*?[{") {
		g, err := glob.Compile(name)
		if err != nil {
			return nil, fmt.Errorf("event %q: %w", name, err)
		}
		for _, d := range slices.Concat(event.All(), event.Syscalls()) {
			if g.Match(d.Name) {
				names = append(names, d.Name)
			}
		}
	} else {
		for _, d := range slices.Concat(event.All(), event.Syscalls()) {
			if slices.Contains(d.Sets, name) {
				names = append(names, d.Name)
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no event %q%s (tocsin events lists them)", name, suggest(name))
	}
	return names, nil
}

func suggest(name string) string {
	best, distance := "", max(2, len(name)/4)+1
	for _, d := range slices.Concat(event.All(), event.Syscalls()) {
		if n := levenshtein.ComputeDistance(name, d.Name); n < distance {
			best, distance = d.Name, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

func (f *Filter) condition(left, right string) error {
	name, field, ok := strings.Cut(strings.TrimSpace(left), ".")
	if !ok {
		return fmt.Errorf("condition %q: write it as EVENT.ARGUMENT%s", left+right, right)
	}
	def := event.ByName(name)
	if def == nil {
		return fmt.Errorf("condition %q: no event %q%s (tocsin events lists them)", left+right, name, suggest(name))
	}
	op := right[:1]
	if len(right) > 1 && right[1] == '=' && op != "=" {
		op = right[:2]
	}
	c, err := compile(def, field, op, strings.TrimSpace(right[len(op):]))
	if err != nil {
		return fmt.Errorf("condition %q: %w", left+right, err)
	}
	f.choose(name)
	f.named[name] = true
	groups := f.events[name]
	for i := range groups {
		if groups[i].field == field {
			groups[i].conds = append(groups[i].conds, c)
			return nil
		}
	}
	f.events[name] = append(groups, group{field: field, conds: []cond{c}})
	return nil
}

// Names returns the chosen events in the order in which they were named.
func (f *Filter) Names() []string { return f.order }

// Match reports whether ev is chosen.
func (f *Filter) Match(ev *event.Event) bool {
	groups, ok := f.events[ev.Def.Name]
	if !ok || !f.inScope(ev) {
		return false
	}
	for i := range groups {
		if !groups[i].match(ev) {
			return false
		}
	}
	return true
}

func (g *group) match(ev *event.Event) bool {
	any, found := false, false
	for i := range g.conds {
		c := &g.conds[i]
		holds := c.match(ev)
		if c.op == opEqual {
			any, found = true, found || holds
		} else if !holds {
			return false
		}
	}
	return !any || found
}

func (f *Filter) inScope(ev *event.Event) bool {
	if !f.origins.Has(ev.Origin()) {
		return false
	}
	s := &f.scope
	if !allows(s.PIDs, ev.HostPID) || !allows(s.UIDs, ev.UID) || !allows(s.Cgroups, ev.CgroupID) || !allows(s.MntNS, ev.MntNS) || !allows(s.PidNS, ev.PidNS) {
		return false
	}
	if len(f.comms) > 0 && !matchAny(f.comms, ev.CommString()) {
		return false
	}
	if len(f.containers) == 0 {
		return true
	}
	if ev.Container == nil {
		return false
	}
	for _, id := range s.Containers {
		if strings.HasPrefix(ev.Container.ID, id) {
			return true
		}
	}
	return ev.Container.Name != "" && matchAny(f.containers, ev.Container.Name)
}

// clausesMax bounds the alternatives of one event that the kernel is asked to tell apart.
const clausesMax = 32

func allows[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// Selections returns what the sensor must deliver, with as much of the filter as it may apply in the kernel.
func (f *Filter) Selections() []event.Selection {
	base := f.task()
	out := make([]event.Selection, 0, len(f.order))
	for _, name := range f.order {
		clauses := base
		for _, g := range f.events[name] {
			clauses = with(clauses, g.kernel())
		}
		s := event.Selection{Event: name}
		if len(clauses) > 1 || clauses[0].Origins != 0 || len(clauses[0].Conds) > 0 {
			s.Clauses = clauses
		}
		out = append(out, s)
	}
	return out
}

// task returns the conditions on the task, which hold for all events.
func (f *Filter) task() []event.Clause {
	s := &f.scope
	clause := event.Clause{Origins: f.origins}
	if len(s.Containers) > 0 && clause.Origins == 0 {
		clause.Origins = event.InContainer | event.InContainerInit
	}
	number := func(field string, values []uint64) {
		if len(values) > 0 {
			clause.Conds = append(clause.Conds, event.Cond{Field: field, Nums: values})
		}
	}
	number("@uid", widen(s.UIDs))
	number("@pid", widen(s.PIDs))
	number("@cgroup", s.Cgroups)
	number("@mntns", widen(s.MntNS))
	number("@pidns", widen(s.PidNS))
	comms, _ := textConds("@comm", s.Comms)
	return with([]event.Clause{clause}, comms)
}

// with returns the clauses, each with one of the alternatives.
func with(clauses []event.Clause, alternatives []event.Cond) []event.Clause {
	if len(alternatives) == 0 || len(clauses)*len(alternatives) > clausesMax {
		return clauses
	}
	out := make([]event.Clause, 0, len(clauses)*len(alternatives))
	for _, c := range clauses {
		for _, a := range alternatives {
			out = append(out, event.Clause{Origins: c.Origins, Conds: append(slices.Clone(c.Conds), a)})
		}
	}
	return out
}

func widen(in []uint32) []uint64 {
	out := make([]uint64, len(in))
	for i, v := range in {
		out[i] = uint64(v)
	}
	return out
}

// textConds turns globs into conditions for the kernel, of which one holds whenever one of the globs does: the whole text, what
// it begins with, or what it ends in. It reports false when a glob has neither.
func textConds(field string, patterns []string) (out []event.Cond, ok bool) {
	const meta = `*?[]{}\`
	for _, p := range patterns {
		op, text := event.OpEqual, p
		if i := strings.IndexAny(p, meta); i >= 0 {
			op, text = event.OpPrefix, p[:i]
		}
		// The kernel compares a command's name from its beginning only.
		if i := strings.LastIndexAny(p, meta); text == "" && field != "@comm" {
			op, text = event.OpSuffix, p[i+1:]
		}
		if text == "" {
			return nil, false
		}
		i := slices.IndexFunc(out, func(c event.Cond) bool { return c.Op == op })
		if i < 0 {
			i, out = len(out), append(out, event.Cond{Field: field, Op: op})
		}
		out[i].Strs = append(out[i].Strs, text)
	}
	return out, len(out) > 0
}

func globs(patterns []string) ([]*glob.Pattern, error) {
	var out []*glob.Pattern
	for _, p := range patterns {
		g, err := glob.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		out = append(out, g)
	}
	return out, nil
}

func matchAny(globs []*glob.Pattern, s string) bool {
	for _, g := range globs {
		if g.Match(s) {
			return true
		}
	}
	return false
}

// number reads a value as an argument's text encoding has it, or as a number (0x… and 0… too).
func number(a *event.Arg, text string) (uint64, error) {
	if a.Enc != event.EncNone {
		if v, ok := a.Enc.Number(text); ok {
			return v, nil
		}
	}
	if a.Kind == event.KindBool {
		switch text {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
	}
	if a.Kind.Signed() {
		v, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no number", text)
		}
		return uint64(v), nil
	}
	v, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return v, nil
}
