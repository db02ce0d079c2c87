package match

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Sample makes a finding of fields and values, for a dry run: rule=x severity=high technique=T1611 container=web. Fields
// are those of the grammar, values are plain. Severity is medium unless it is given.
func Sample(values map[string][]string, now time.Time) (finding.Finding, error) {
	f := finding.Finding{ID: "f-sample", Time: now, Origin: "host", Source: "tocsin", Host: "host", Severity: finding.Medium, Rule: finding.Rule{ID: "rule", Name: "rule"}}
	process := func() *finding.Process {
		if f.Process == nil {
			f.Process = &finding.Process{}
		}
		return f.Process
	}
	container := func() *finding.Container {
		if f.Container == nil {
			f.Container = &finding.Container{}
		}
		f.Origin = "container"
		return f.Container
	}
	pod := func() *finding.Kubernetes {
		if f.Kubernetes == nil {
			f.Kubernetes = &finding.Kubernetes{Labels: map[string]string{}}
		}
		return f.Kubernetes
	}
	data := map[string]any{}
	var args []map[string]any
	for _, name := range sortedFields(values) {
		def, key, err := lookup(name)
		if err != nil {
			return f, &Error{[]any{name}, err.Error()}
		}
		for v := range strings.SplitSeq(strings.Join(values[name], ","), ",") {
			if v == "" || strings.ContainsAny(v[:1], "!~<>") {
				return f, &Error{[]any{name}, fmt.Sprintf("%q is a condition: a finding has plain values", v)}
			}
			var err error
			var n uint64
			switch def.name {
			case "rule":
				f.Rule.ID = v
			case "name":
				f.Rule.Name = v
			case "severity":
				f.Severity, err = finding.ParseSeverity(v)
			case "technique", "tactic":
				list, ok := finding.ATTACK().Resolve(v)
				if !ok {
					if list, ok = unknownTechnique(v); !ok {
						err = fmt.Errorf("%q is not in ATT&CK %s", v, finding.ATTACK().Version)
					}
				}
				if def.name == "tactic" {
					t, ok := finding.ATTACK().Tactic(v)
					if err = nil; !ok {
						err = fmt.Errorf("%q is not a tactic of ATT&CK %s", v, finding.ATTACK().Version)
					}
					list = []finding.Attack{{Tactic: finding.Ref{ID: t.ID, Name: t.Name}}}
				}
				f.Attack = append(f.Attack, list...)
			case "tag":
				f.Rule.Tags = append(f.Rule.Tags, v)
			case "cluster":
				f.Cluster = v
			case "host":
				f.Host = v
			case "origin":
				f.Origin = v
			case "source":
				f.Source = v
			case "container":
				container().ID, container().Name = v, v
			case "image":
				container().Image = v
			case "namespace":
				pod().Namespace = v
			case "pod":
				pod().PodName = v
			case "process":
				process().Name = v
			case "executable":
				process().Executable = v
			case "user":
				process().User = v
			case "uid":
				n, err = strconv.ParseUint(v, 10, 32)
				process().UID = uint32(n)
			case "pid":
				n, err = strconv.ParseUint(v, 10, 32)
				process().PID = uint32(n)
			case "message":
				f.Message = v
			case "fingerprint":
				f.Fingerprint = v
			case "label.":
				pod().Labels[key] = v
			case "data.":
				data[key] = v
			case "arg.":
				args = append(args, map[string]any{"name": key, "value": v})
			}
			if err != nil {
				return f, &Error{[]any{name}, err.Error()}
			}
		}
	}
	if len(data) > 0 {
		f.Data, _ = json.Marshal(data)
	}
	if args != nil {
		f.Event, _ = json.Marshal(map[string]any{"args": args})
	}
	return f, nil
}

func sortedFields(values map[string][]string) []string {
	m := map[string]bool{}
	for k := range values {
		m[k] = true
	}
	return sortedKeys(m)
}

// unknownTechnique takes an id of a technique that this version of ATT&CK does not have: another may.
func unknownTechnique(id string) ([]finding.Attack, bool) {
	parent, sub, dotted := strings.Cut(strings.ToUpper(id), ".")
	digits := func(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789") == "" }
	if !strings.HasPrefix(parent, "T") || !digits(parent[1:], 4) || dotted && !digits(sub, 3) {
		return nil, false
	}
	list, ok := finding.ATTACK().Resolve(parent)
	if !ok {
		list = []finding.Attack{{Technique: finding.Ref{ID: parent}}}
	}
	list = slices.Clone(list)
	for i := range list {
		if dotted {
			list[i].SubTechnique = &finding.Ref{ID: parent + "." + sub}
		}
	}
	return list, true
}
