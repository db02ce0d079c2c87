package detect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/detect/policy"
)

// Load reads the Rego rules of the sources. Each file that can't be used has an error, a *FileError with file, line, reason
// and advice; the others load. A rule of a later source replaces one of an earlier source that has the same id, so
// that users can bring their own version of a built-in rule.
func Load(sources ...Source) ([]Rule, []error) { return new(Loader).Load(sources...) }

// Loader reads rules again when files changed, and compiles only what did. The zero value is ready. It is used by one goroutine at a time.
type Loader struct {
	rules     map[ruleFile]loaded // those of the last time
	shared    string              // hash of what they may depend on beside their own file
	libraries []*policy.Library
}

type ruleFile struct {
	source int
	name   string
}

// loaded is a rule as its file gave it.
type loaded struct {
	text string
	rule *regoRule
}

// Load is like the function of this name.
func (l *Loader) Load(sources ...Source) ([]Rule, []error) {
	var rules []Rule
	var errs []error
	index := map[string]int{} // of rules, by id
	trees, shared := readTrees(false, false, sources)
	l.use(trees, shared)
	old := l.rules
	l.rules = map[ruleFile]loaded{}
	for n, tree := range trees {
		errs = append(errs, tree.Errors...)
		here := map[string]string{} // id → file, of this source
		for _, file := range tree.Rules {
			at := ruleFile{n, file.Name}
			kept, err := old[at].again(file, l.libraries[n])
			if err != nil {
				errs = append(errs, err)
				continue
			}
			l.rules[at] = kept
			r := kept.copied()
			id := r.meta.ID
			if other, ok := here[id]; ok {
				errs = append(errs, &FileError{File: r.meta.File, Line: 1, Reason: fmt.Sprintf("the id %q is taken by %s", id, other), Advice: "give one of them another id"})
				continue
			}
			here[id] = r.meta.File
			if i, ok := index[id]; ok {
				rules[i] = r
				continue
			}
			index[id] = len(rules)
			rules = append(rules, r)
		}
	}
	for _, tree := range trees {
		for _, l := range tree.Lists {
			errs = append(errs, addExceptions(rules, l)...)
		}
	}
	return rules, errs
}

// use takes over what the trees share, and forgets all rules when that is not what it was.
func (l *Loader) use(trees []*Tree, shared string) {
	if shared == l.shared {
		return // the libraries that rules have are as good as the new ones
	}
	l.rules, l.shared, l.libraries = nil, shared, nil
	for _, t := range trees {
		l.libraries = append(l.libraries, t.Library)
	}
}

// again returns the rule of a file: this one if it was made of the same text.
func (l loaded) again(file policy.File, lib *policy.Library) (loaded, error) {
	if l.rule != nil && l.text == file.Text {
		return l, nil
	}
	r, err := newRegoRule(file, lib)
	return loaded{file.Text, r}, err
}

// copied returns the rule with metadata that may be changed.
func (l loaded) copied() *regoRule {
	r, meta := *l.rule, *l.rule.meta
	meta.Exceptions = slices.Clone(meta.Exceptions)
	r.meta = &meta
	return &r
}

// addExceptions gives the exceptions of a file to the rules that they name.
func addExceptions(rules []Rule, l *policy.Lists) (errs []error) {
	for i, x := range l.Exceptions {
		fail := func(reason, advice string) {
			errs = append(errs, &FileError{File: l.File, Line: x.Line, Reason: fmt.Sprintf("exception %d: %s", i+1, reason), Advice: advice})
		}
		raw, err := json.Marshal([]map[string]any{{"rule": x.Rule, "match": x.Match, "reason": x.Reason, "expires": x.Expires}})
		if err != nil {
			fail(err.Error(), "")
			continue
		}
		list, err := ParseExceptions(raw)
		if err != nil {
			errs = append(errs, &FileError{File: l.File, Line: x.Line, Reason: strings.Replace(err.Error(), "exception 1", fmt.Sprintf("exception %d", i+1), 1)})
			continue
		}
		used := false
		for _, r := range rules {
			if m := r.Metadata(); x.Rule == "*" || x.Rule == m.ID {
				m.Exceptions, used = append(m.Exceptions, list...), true
			}
		}
		if !used {
			fail(fmt.Sprintf("no rule has the id %q", x.Rule), "tocsin rules list shows the ids")
		}
	}
	return errs
}
