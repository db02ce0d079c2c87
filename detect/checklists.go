package detect

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

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
		for _, field := range slices.Sorted(maps.Keys(x.Match)) {
			if hasField(field) {
				continue
			}
			out = append(out, Diagnostic{
				Level: LevelWarning, File: l.File, Line: x.Line, Code: "unknown-field",
				Reason: fmt.Sprintf("exception %d: no event has the field %s, so that it excepts nothing", i+1, field),
				Advice: cmp.Or(suggest(field, usualFields), "tocsin trace -o json shows events with their fields"),
			})
		}
	}
	return out
}

// usualFields are what exceptions mostly ask for.
var usualFields = []string{
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
