package match

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/tocsin-io/tocsin/finding"
)

// fieldDef is one field of the grammar. Fields with a key ("label.app") are named with a trailing dot.
type fieldDef struct {
	name     string
	doc      string
	severity bool
	fold     bool // compare in any case
	get      func(out []string, f *finding.Finding, key string) []string
	group    func(f *finding.Finding) string // where grouping differs from the first value
	doubt    func(text string) string        // why no finding is likely to have this value, or ""
}

// one appends s unless it is missing.
func one(out []string, s string) []string {
	if s == "" {
		return out
	}
	return append(out, s)
}

func plain(get func(*finding.Finding) string) func([]string, *finding.Finding, string) []string {
	return func(out []string, f *finding.Finding, _ string) []string { return one(out, get(f)) }
}

func ofProcess(get func(*finding.Process) string) func([]string, *finding.Finding, string) []string {
	return func(out []string, f *finding.Finding, _ string) []string {
		if f.Process == nil {
			return out
		}
		return one(out, get(f.Process))
	}
}

func ofContainer(get func(*finding.Container) string) func([]string, *finding.Finding, string) []string {
	return func(out []string, f *finding.Finding, _ string) []string {
		if f.Container == nil {
			return out
		}
		return one(out, get(f.Container))
	}
}

func ofPod(get func(*finding.Kubernetes) string) func([]string, *finding.Finding, string) []string {
	return func(out []string, f *finding.Finding, _ string) []string {
		if f.Kubernetes == nil {
			return out
		}
		return one(out, get(f.Kubernetes))
	}
}

var fields = []fieldDef{
	{name: "rule", doc: "the rule's id", get: plain(func(f *finding.Finding) string { return f.Rule.ID })},
	{name: "name", doc: "the rule's name", get: plain(func(f *finding.Finding) string { return f.Rule.Name })},
	{
		name: "severity", doc: "info, low, medium, high, critical; also >=high, <=low", severity: true, fold: true,
		get: plain(func(f *finding.Finding) string { return f.Severity.String() }),
	},
	{name: "tactic", doc: "an ATT&CK tactic: id, name or short name", fold: true, get: tactics, group: groupTactic, doubt: doubtTactic},
	{name: "technique", doc: "an ATT&CK technique: id or name; a parent matches its sub-techniques", fold: true, get: techniques, group: groupTechnique, doubt: doubtTechnique},
	{
		name: "tag", doc: "a tag of the rule", get: func(out []string, f *finding.Finding, _ string) []string { return append(out, f.Rule.Tags...) },
		group: func(f *finding.Finding) string { return strings.Join(f.Rule.Tags, ",") },
	},
	{name: "cluster", doc: "the sensor's cluster", get: plain(func(f *finding.Finding) string { return f.Cluster })},
	{name: "host", doc: "the host's name", get: plain(func(f *finding.Finding) string { return f.Host })},
	{name: "origin", doc: "host, container or container-init", get: plain(func(f *finding.Finding) string { return f.Origin })},
	{name: "source", doc: "tocsin, falco or tracee", get: plain(func(f *finding.Finding) string { return f.Source })},
	{
		name: "container", doc: "the container's id, its first 12 characters, or its name", get: containerNames,
		group: func(f *finding.Finding) string {
			if f.Container == nil {
				return ""
			}
			return f.Container.ID
		},
	},
	{name: "image", doc: "the container's image", get: ofContainer(func(c *finding.Container) string { return c.Image })},
	{name: "namespace", doc: "the pod's namespace", get: ofPod(func(k *finding.Kubernetes) string { return k.Namespace })},
	{name: "pod", doc: "the pod's name", get: ofPod(func(k *finding.Kubernetes) string { return k.PodName })},
	{name: "process", doc: "the name of the process", get: ofProcess(func(p *finding.Process) string { return p.Name })},
	{name: "executable", doc: "the path of the process's executable", get: ofProcess(func(p *finding.Process) string { return p.Executable })},
	{name: "user", doc: "the process's user name", get: ofProcess(func(p *finding.Process) string { return p.User })},
	{name: "uid", doc: "the process's user id", get: ofProcess(func(p *finding.Process) string { return strconv.FormatUint(uint64(p.UID), 10) })},
	{name: "pid", doc: "the process id", get: ofProcess(func(p *finding.Process) string { return strconv.FormatUint(uint64(p.PID), 10) })},
	{name: "message", doc: "the finding's message", get: plain(func(f *finding.Finding) string { return f.Message })},
	{name: "fingerprint", doc: "what is equal for findings that say the same", get: plain(func(f *finding.Finding) string { return f.Fingerprint })},
	{name: "label.", doc: "a label of the pod, as label.app", get: func(out []string, f *finding.Finding, key string) []string {
		if f.Kubernetes == nil {
			return out
		}
		return one(out, f.Kubernetes.Labels[key])
	}},
	{name: "data.", doc: "a field of what the rule returned, as data.path", get: func(out []string, f *finding.Finding, key string) []string {
		return document(out, f.Data, key)
	}},
	{name: "arg.", doc: "an argument of the event, as arg.pathname", get: arguments},
}

func tactics(out []string, f *finding.Finding, _ string) []string {
	for i := range f.Attack {
		if t := &f.Attack[i].Tactic; t.ID != "" {
			out = append(out, t.ID, t.Name)
			if known, ok := finding.ATTACK().Tactic(t.ID); ok {
				out = append(out, known.ShortName)
			}
		}
	}
	return out
}

func techniques(out []string, f *finding.Finding, _ string) []string {
	for i := range f.Attack {
		a := &f.Attack[i]
		if a.Technique.ID != "" {
			out = append(out, a.Technique.ID, a.Technique.Name)
		}
		if a.SubTechnique != nil {
			out = append(out, a.SubTechnique.ID, a.SubTechnique.Name)
			if parent, _, ok := strings.Cut(a.SubTechnique.ID, "."); ok && a.Technique.ID == "" {
				out = append(out, parent)
			}
		}
	}
	return out
}

func doubtTactic(text string) string {
	_, known := finding.ATTACK().Tactic(text)
	return unlessKnown(known, "tactic", text)
}

func doubtTechnique(text string) string {
	return unlessKnown(finding.ATTACK().HasTechnique(text), "technique", text)
}

func unlessKnown(known bool, what, text string) string {
	if known {
		return ""
	}
	return fmt.Sprintf("ATT&CK %s has no %s %q for Linux or containers", finding.ATTACK().Version, what, text)
}

// TechniqueIDs are the most precise ids of a finding's techniques, sorted, each once.
func TechniqueIDs(list []finding.Attack) []string {
	seen := map[string]bool{}
	for i := range list {
		id := list[i].Technique.ID
		if list[i].SubTechnique != nil {
			id = list[i].SubTechnique.ID
		}
		if id != "" {
			seen[id] = true
		}
	}
	return sortedKeys(seen)
}

func groupTechnique(f *finding.Finding) string { return strings.Join(TechniqueIDs(f.Attack), ",") }

func groupTactic(f *finding.Finding) string {
	seen := map[string]bool{}
	for i := range f.Attack {
		if id := f.Attack[i].Tactic.ID; id != "" {
			seen[id] = true
		}
	}
	return strings.Join(sortedKeys(seen), ",")
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func containerNames(out []string, f *finding.Finding, _ string) []string {
	c := f.Container
	if c == nil {
		return out
	}
	if out = one(out, c.ID); len(c.ID) > 12 {
		out = append(out, c.ID[:12])
	}
	return one(out, c.Name)
}

// document reads one field of a JSON object: a dotted path, or a key with dots in it, as Falco has.
func document(out []string, raw []byte, key string) []string {
	var doc map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &doc) != nil {
		return out
	}
	if v, ok := doc[key]; ok {
		return leaf(out, v)
	}
	var v any = doc
	for part := range strings.SplitSeq(key, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return out
		}
		v = m[part]
	}
	return leaf(out, v)
}

func leaf(out []string, v any) []string {
	switch v := v.(type) {
	case string:
		return one(out, v)
	case bool:
		return append(out, strconv.FormatBool(v))
	case float64:
		return append(out, strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		for _, x := range v {
			out = leaf(out, x)
		}
	}
	return out
}

func arguments(out []string, f *finding.Finding, key string) []string {
	var doc struct {
		Args []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
		} `json:"args"`
	}
	if len(f.Event) == 0 || json.Unmarshal(f.Event, &doc) != nil {
		return out
	}
	for _, a := range doc.Args {
		if a.Name == key {
			return leaf(out, a.Value)
		}
	}
	return out
}

// lookup finds a field and, for one with a key, the key.
func lookup(name string) (*fieldDef, string, error) {
	for i := range fields {
		f := &fields[i]
		if f.name == name {
			if strings.HasSuffix(name, ".") {
				break
			}
			return f, "", nil
		}
		if key, ok := strings.CutPrefix(name, f.name); ok && key != "" && strings.HasSuffix(f.name, ".") {
			return f, key, nil
		}
	}
	msg := fmt.Sprintf("unknown field %q", name)
	if s := suggest(name); s != "" {
		return nil, "", fmt.Errorf("%s: did you mean %q?", msg, s)
	}
	return nil, "", fmt.Errorf("%s: fields are %s", msg, strings.Join(Fields(), ", "))
}

// Fields lists the names of all fields, those with a key as "label.KEY".
func Fields() []string {
	out := make([]string, 0, len(fields)+1)
	for i := range fields {
		n := fields[i].name
		if strings.HasSuffix(n, ".") {
			n += "KEY"
		}
		out = append(out, n)
	}
	return out
}

// FieldDoc returns a sentence about each field, in the order of Fields.
func FieldDoc() []string {
	out := make([]string, 0, len(fields))
	for i := range fields {
		out = append(out, fields[i].doc)
	}
	return out
}

func suggest(name string) string {
	best, dist := "", 3
	for i := range fields {
		n := strings.TrimSuffix(fields[i].name, ".")
		if d := distance(strings.ToLower(name), n); d < dist && d < len(n) {
			best, dist = n, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// Getter reads one field for grouping: one text a finding, "" when it is missing.
type Getter func(f *finding.Finding) string

// Field returns the Getter of a field. A field with several values gives them joined by commas.
func Field(name string) (Getter, error) {
	f, key, err := lookup(name)
	if err != nil {
		return nil, err
	}
	if f.group != nil {
		return f.group, nil
	}
	return func(x *finding.Finding) string {
		var buf [4]string
		return strings.Join(f.get(buf[:0], x, key), ",")
	}, nil
}
