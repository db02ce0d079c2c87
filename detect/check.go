package detect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

// Level says how bad a diagnostic is.
type Level string

const (
	LevelError   Level = "error"   // the rule does not load, or never fires
	LevelWarning Level = "warning" // it may not do what it seems to
	LevelNote    Level = "note"    // how it was understood
)

// Diagnostic is one thing that Check has to say of a file.
type Diagnostic struct {
	Level  Level  `json:"level"`
	Rule   string `json:"rule,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Code   string `json:"code"` // stable: "parse", "unknown-event", "unknown-argument", …
	Reason string `json:"reason"`
	Advice string `json:"advice,omitempty"`
}

func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
	}
	fmt.Fprintf(&b, ": %s: %s", d.Level, d.Reason)
	if d.Advice != "" {
		b.WriteString("; " + d.Advice)
	}
	return b.String()
}

// CheckResult is what "rules check" shows.
type CheckResult struct {
	Rules       []CheckedRule `json:"rules"`
	Diagnostics []Diagnostic  `json:"diagnostics"`
	Errors      int           `json:"errors"`
	Warnings    int           `json:"warnings"`
}

// CheckedRule is one rule that loads.
type CheckedRule struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	File      string     `json:"file,omitempty"`
	Rego      string     `json:"rego"` // "v0" or "v1"
	Selectors []Selector `json:"selectors"`
	// Address is the form in which the rule reads socket addresses: "text", "object", or empty when it reads none.
	Address string `json:"address,omitempty"`
}

// CheckOptions tell Check what it can't know by itself.
type CheckOptions struct {
	// Unavailable are events that this kernel can't give, with the reason.
	Unavailable map[string]string
	// Beside are sources that are loaded as well, but not checked: the built-in rules, to which a file of lists and
	// exceptions adds.
	Beside []Source
}

// Check loads the rules of the sources and says what would keep them from doing their work.
func Check(opts CheckOptions, sources ...Source) *CheckResult {
	rules, errs := Load(slices.Concat(opts.Beside, sources)...)
	beside := map[string]bool{} // files
	for _, tree := range ReadTrees(false, opts.Beside...) {
		for _, m := range tree.Rules {
			beside[m.Name] = true
		}
	}
	res := &CheckResult{Rules: []CheckedRule{}, Diagnostics: []Diagnostic{}}
	for _, err := range errs {
		d := Diagnostic{Level: LevelError, Code: "load", Reason: err.Error()}
		var fe *FileError
		if errors.As(err, &fe) {
			d.File, d.Line, d.Reason, d.Advice = fe.File, fe.Line, fe.Reason, fe.Advice
		}
		res.Diagnostics = append(res.Diagnostics, d)
	}
	for _, r := range rules {
		rr := r.(*regoRule)
		if beside[rr.meta.File] {
			continue
		}
		c := &checker{rule: rr, opts: opts}
		res.Rules = append(res.Rules, c.run())
		res.Diagnostics = append(res.Diagnostics, c.out...)
	}
	res.Diagnostics = append(res.Diagnostics, checkLists(opts.Beside, sources)...)
	slices.SortStableFunc(res.Diagnostics, func(a, b Diagnostic) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	for _, d := range res.Diagnostics {
		switch d.Level {
		case LevelError:
			res.Errors++
		case LevelWarning:
			res.Warnings++
		}
	}
	return res
}

type checker struct {
	rule *regoRule
	opts CheckOptions
	out  []Diagnostic
}

func (c *checker) say(level Level, code string, line int, reason, advice string) {
	c.out = append(c.out, Diagnostic{level, c.rule.meta.ID, c.rule.meta.File, line, code, reason, advice})
}

func (c *checker) summary() CheckedRule {
	s := CheckedRule{ID: c.rule.meta.ID, Name: c.rule.meta.Name, File: c.rule.meta.File, Rego: c.rule.policy.Version(), Selectors: c.rule.policy.Selectors}
	if c.rule.policy.ReadsAddress() {
		s.Address = "object"
		if c.rule.policy.AddressText {
			s.Address = "text"
		}
	}
	return s
}

func (c *checker) run() CheckedRule {
	p, meta := c.rule.policy, c.rule.meta
	selLine, metaLine := p.Line("tracee_selected_events"), p.Line("__rego_metadoc__")
	for _, key := range p.Unread {
		c.say(LevelWarning, "unknown-selector-key", selLine, fmt.Sprintf("a selector's %q is read by nothing", key), cmp.Or(suggest(key, []string{"source", "name", "origin"}), "it has source, name and origin"))
	}
	var defs []*event.Def
	for _, s := range p.Selectors {
		switch s.Source {
		case "":
			c.say(LevelWarning, "no-source", selLine, "a selector has no source", `add "source": "tracee": other engines select nothing without it`)
		case "tracee", "tocsin":
		default:
			c.say(LevelError, "unknown-source", selLine, fmt.Sprintf("unknown source %q: the rule never fires for it", s.Source), `use "tracee"`)
		}
		if s.Name == "" {
			for i := range event.All() {
				defs = append(defs, &event.All()[i])
			}
			continue
		}
		def := event.ByName(s.Name)
		if def == nil {
			c.say(LevelError, "unknown-event", selLine, fmt.Sprintf("unknown event %q: the rule never fires for it", s.Name), strings.TrimPrefix(suggest(s.Name, eventNames())+"; tocsin events lists them", "; "))
			continue
		}
		if why, ok := c.opts.Unavailable[s.Name]; ok {
			c.say(LevelWarning, "unavailable-event", selLine, fmt.Sprintf("this kernel can't give %s: %s", s.Name, why), "tocsin doctor says what it needs")
		}
		defs = append(defs, def)
	}
	c.arguments(defs)
	c.members()
	c.fields()
	if p.Multi() {
		c.say(LevelError, "match-is-set", p.Line("tracee_match"), "tracee_match is a set, which is never a match", "make it true or one object")
	}
	for _, text := range meta.unknownAttack {
		c.say(LevelWarning, "unknown-attack", metaLine, fmt.Sprintf("ATT&CK has no technique or tactic %q for Linux and containers", text), `use its id ("T1611") or its name, with the tactic before a colon if you like; the text is kept as it is`)
	}
	for _, key := range meta.strange {
		c.say(LevelWarning, "unknown-metadata", metaLine, fmt.Sprintf("the metadata's %q is read by nothing", key.name), fmt.Sprintf("did you mean %q?", key.like))
	}
	if meta.severityAbsent {
		c.say(LevelWarning, "no-severity", metaLine, "the metadata has no severity: findings are medium", `add "Severity": 0 to 4 to the properties`)
	}
	s := c.summary()
	switch s.Address {
	case "text":
		c.say(LevelNote, "address-form", 0, "reads socket addresses as one text", "")
	case "object":
		c.say(LevelNote, "address-form", 0, "reads socket addresses as objects", "")
	}
	// Last, because an engine keeps little of a rule. An error is why, where there is one.
	if !slices.ContainsFunc(c.out, func(d Diagnostic) bool { return d.Level == LevelError }) {
		c.conditions(defs)
	}
	return s
}

// conditions finds the events of which none can satisfy what the rule asks, whatever the reason.
func (c *checker) conditions(defs []*event.Def) {
	e, err := New(Options{Rules: []Rule{c.rule}, Enable: []string{c.rule.meta.ID}})
	if err != nil {
		c.say(LevelError, "load", 0, err.Error(), "")
		return
	}
	wanted := map[string]bool{}
	for _, s := range e.Selections() {
		wanted[s.Event] = true
	}
	if slices.ContainsFunc(c.rule.policy.Selectors, func(s Selector) bool { return s.Name == "" }) {
		if len(wanted) > 0 {
			return // of all events, most cannot match
		}
		defs = defs[:min(len(defs), 1)]
	}
	level := LevelWarning
	if len(wanted) == 0 {
		level = LevelError
	}
	said := map[string]bool{}
	for _, def := range defs {
		if !wanted[def.Name] && !said[def.Name] {
			said[def.Name] = true
			c.say(level, "never-matches", c.rule.policy.Line("tracee_match"), fmt.Sprintf("no %s event can match: some condition never holds for it", def.Name),
				"compare the names of arguments, and the types and texts of their values, with: tocsin events "+def.Name)
		}
	}
}

// arguments checks what the rule reads against what its events have.
func (c *checker) arguments(defs []*event.Def) {
	if len(defs) == 0 {
		return
	}
	for _, u := range c.rule.policy.Uses() {
		var have []*event.Arg
		for _, d := range defs {
			if i := d.Arg(u.Arg); i >= 0 {
				have = append(have, &d.Args[i])
			}
		}
		switch {
		case u.Member != "":
			c.addressMember(u, have)
		case u.Func != "":
			bad := ""
			for _, a := range have {
				if bad = notText(a, c.rule.policy.AddressText); bad == "" {
					break
				}
			}
			if bad != "" {
				c.say(LevelError, "not-text", u.Line, fmt.Sprintf("%s(%s): the argument is %s, so the expression is never true", u.Func, u.Arg, bad), "")
			}
		case len(have) == 0:
			var names []string
			for _, d := range defs {
				for _, a := range d.Args {
					names = append(names, a.Name)
				}
			}
			advice := suggest(u.Arg, names)
			if len(defs) == 1 {
				advice += "; the event is " + defs[0].String()
			}
			c.say(LevelError, "unknown-argument", u.Line, fmt.Sprintf("none of the rule's events has an argument %q: the expression is never true", u.Arg), strings.TrimPrefix(advice, "; "))
		}
	}
}

// addressMembers are the members of socket addresses.
var addressMembers = func() []string {
	var names []string
	for _, family := range []uint16{event.AFUnix, event.AFInet, event.AFInet6} {
		for _, f := range (event.Sockaddr{Family: family}).Fields() {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}()

// addressMember checks what the rule reads of a socket address. Its members are known, and all of them are text.
func (c *checker) addressMember(u policy.Use, have []*event.Arg) {
	if len(have) == 0 || c.rule.policy.AddressText || slices.ContainsFunc(have, func(a *event.Arg) bool { return a.Kind != event.KindSockaddr }) {
		return
	}
	switch {
	case !slices.Contains(addressMembers, u.Member):
		c.say(LevelError, "unknown-member", u.Line, fmt.Sprintf("no %s has %s: the expression is never true", u.Arg, u.Member), suggest(u.Member, addressMembers))
	case u.Number != "":
		c.say(LevelError, "not-number", u.Line, fmt.Sprintf("%s of %s is text, not the number %s", u.Member, u.Arg, u.Number), fmt.Sprintf("compare it with %q, or give it to to_number", u.Number))
	}
}

func notText(a *event.Arg, addressText bool) string {
	switch {
	case a.Kind == event.KindStrings:
		return "a list"
	case a.Kind == event.KindCred, a.Kind == event.KindJSON, a.Kind == event.KindSockaddr && !addressText:
		return "an object or a list"
	case a.Kind == event.KindBool:
		return "true or false"
	case a.Kind.Scalar() && a.Kind != event.KindPointer && a.Enc == event.EncNone:
		return "a number"
	}
	return ""
}

func eventNames() []string {
	var names []string
	for _, d := range slices.Concat(event.All(), event.Syscalls()) {
		names = append(names, d.Name)
	}
	return names
}

// suggest returns "did you mean …?" for the nearest of names, or "".
func suggest(name string, names []string) string {
	best, at := "", max(3, len(name)/3+1)
	for _, n := range names {
		if strings.HasPrefix(n, name+"_") { // net_packet_dns_request for net_packet_dns
			return fmt.Sprintf("did you mean %q?", n)
		}
		if d := levenshtein.ComputeDistance(name, n); d < at {
			best, at = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}
