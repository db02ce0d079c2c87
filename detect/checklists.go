package detect

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

// checkLists tells of lists that no rule reads, and of exceptions for fields that no event has: they are misspelt, mostly.
func checkLists(beside, sources []Source) (out []Diagnostic) {
	var text strings.Builder
	var known []string
	trees := ReadTrees(false, slices.Concat(beside, sources)...)
	for i, tree := range trees {
		for _, f := range tree.Rules {
			text.WriteString(f.Module.String())
		}
		for _, m := range tree.Library.Helpers {
			text.WriteString(m.String())
		}
		if i < len(beside) {
			for _, l := range tree.Lists {
				known = slices.AppendSeq(known, maps.Keys(l.Lists))
			}
		}
	}
	slices.Sort(known)
	for _, tree := range trees[len(beside):] {
		for _, l := range tree.Lists {
			for _, name := range slices.Sorted(maps.Keys(l.Lists)) {
				word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
				if slices.Contains(known, name) || word.MatchString(text.String()) {
					continue
				}
				out = append(out, Diagnostic{
					Level: LevelWarning, File: l.File, Line: l.Lists[name].Line, Code: "unread-list",
					Reason: fmt.Sprintf("no rule reads the list %s", name), Advice: suggest(name, known),
				})
			}
			out = append(out, checkExceptions(l)...)
		}
	}
	return out
}

func checkExceptions(l *policy.Lists) (out []Diagnostic) {
	for i, x := range l.Exceptions {
		end, _ := parseExpiry(x.Expires)
		out = append(out, checkException(i, end, slices.Sorted(maps.Keys(x.Match)), Diagnostic{Level: LevelWarning, File: l.File, Line: x.Line})...)
	}
	return out
}

// checkException tells what keeps an exception from excepting anything; at says where it stands.
func checkException(i int, end time.Time, fields []string, at Diagnostic) (out []Diagnostic) {
	if !end.IsZero() && end.Before(time.Now()) {
		at.Code, at.Reason = "expired", fmt.Sprintf("exception %d expired on %s: it excepts nothing", i+1, end.Format(time.DateOnly))
		out = append(out, at)
	}
	for _, field := range fields {
		if !hasField(field) {
			at.Code, at.Reason = "unknown-field", fmt.Sprintf("exception %d: no event has the field %s, so that it excepts nothing", i+1, field)
			at.Advice = adviceOnField(field)
			out = append(out, at)
		}
	}
	return out
}

func adviceOnField(field string) string {
	return cmp.Or(suggest(field, usualFields), "tocsin trace -o json shows events with their fields")
}

// fields checks the fields that the rule's metadata names.
func (c *checker) fields() {
	meta, line := c.rule.meta, c.rule.policy.Line("__rego_metadoc__")
	for i, x := range meta.Exceptions[:meta.ownExceptions] {
		c.out = append(c.out, checkException(i, x.Expires, slices.Sorted(maps.Keys(x.Match)), Diagnostic{Level: LevelWarning, Rule: meta.ID, File: meta.File, Line: line})...)
	}
	check := func(where, field string) {
		if !hasField(field) {
			c.say(LevelWarning, "unknown-field", line, fmt.Sprintf("%s: no event has the field %s, so that all events count as one", where, field), adviceOnField(field))
		}
	}
	if meta.Rate != nil {
		for _, field := range meta.Rate.Key {
			check("rate", field)
		}
	}
	if t := meta.Threshold; t != nil {
		if !slices.Contains([]string{"", "process", "container", "host"}, t.By) {
			check("threshold", t.By)
		}
		if t.Distinct != "" && !hasField(t.Distinct) {
			c.say(LevelError, "unknown-field", line, fmt.Sprintf("threshold: no event has the field %s, of which it counts the values: it is never reached", t.Distinct), adviceOnField(t.Distinct))
		}
	}
}

// usualFields are what exceptions mostly ask for.
var usualFields = []string{
	"containerId", "processId", "hostProcessId", "args.pathname", "args.remote_addr.sin_addr", "args.remote_addr.sin_port",
	"executable.path", "processName", "containerImage", "containerName", "container.image", "container.name", "kubernetes.podName",
	"kubernetes.podNamespace", "podNamespace", "userId", "origin", "hostName", "process.user", "process.cwd",
	"process.args.1", "process.ancestors.0.executable",
}

// full is an event that has every field.
var full = sync.OnceValue(func() *event.Event {
	all := event.All()
	ev := event.New(&all[0]).Event()
	ev.Flags |= event.FlagCompat
	ev.Count = 2
	some := event.Process{Executable: "x", Args: []string{"x"}, Cwd: "x", User: "x", ContainerID: "x"}
	p := some
	p.Ancestors = []*event.Process{&some}
	ev.Process = &p
	ev.Container = &event.Container{ID: "x", Name: "x", Image: "x", ImageDigest: "x", Runtime: "x"}
	ev.Kubernetes = &event.Kubernetes{PodName: "x", PodNamespace: "x", PodUID: "x", PodSandbox: true, Labels: map[string]string{"x": "x"}}
	return ev
})

var index = regexp.MustCompile(`\.[0-9]+(\.|$)`)

// hasField tells whether an event can have the field.
func hasField(field string) bool {
	if rest, ok := strings.CutPrefix(field, "args."); ok {
		for _, def := range slices.Concat(event.All(), event.Syscalls()) {
			for _, a := range def.Args {
				if rest == a.Name || strings.HasPrefix(rest, a.Name+".") {
					return true
				}
			}
		}
		return false
	}
	if strings.HasPrefix(field, "kubernetes.labels.") {
		return true
	}
	var s scratch
	_, ok := s.field(full(), index.ReplaceAllString(field, ".0$1"))
	return ok
}
