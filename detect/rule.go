// Package detect decides which events are findings.
//
// Rules are Rego files in the contract that Tracee's users know, or Go values. Load reads the former, New makes an Engine of
// both, and Handle gives it one event. Handle is called by one goroutine at a time, and allocates nothing for an event
// that no rule matches; all other methods of an Engine may be called at any time, from anywhere.
package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agnivade/levenshtein"

	"github.com/tocsin-io/tocsin/detect/native"
	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// Rule decides about events. A rule written in Go implements it, and calls Register from an init function: a custom
// build imports its package. What Load returns implements it too.
type Rule interface {
	Metadata() *Metadata
	// Selectors says which events the rule wants; each event is given to Match once, however many selectors name it.
	Selectors() []Selector
	// Match reports whether the event is a finding: a nil Match means it is not. An error is counted, reported as a
	// finding about the rule, and stops no other rule; a Match beside an error still becomes a finding.
	//
	// Match is called by one goroutine at a time. The event, and every text got from it, is only valid during the call:
	// strings.Clone what a stateful rule keeps. The context ends at the evaluation's time-out.
	Match(ctx context.Context, ev *event.Event) (*Match, error)
}

// Conditioner is a Rule in Go that says what an event must satisfy before it is worth asking Match: such a rule costs
// next to nothing on all other events, and the sensor need not deliver those.
type Conditioner interface {
	Rule
	Condition() *native.Node
}

// Match is a rule's positive answer.
type Match struct {
	Data    json.RawMessage // a JSON value, or nil
	Message string          // one line for people; a default is made when it is empty
}

// Selector is one kind of event that a rule wants. An empty Name or Origin means any.
type Selector = policy.Selector

// Metadata describes a rule.
type Metadata struct {
	ID             string           `json:"id"`
	Version        string           `json:"version,omitempty"`
	Name           string           `json:"name"`
	Description    string           `json:"description,omitempty"`
	Tags           []string         `json:"tags,omitempty"`
	Properties     map[string]any   `json:"properties,omitempty"` // as written; numbers are json.Number
	Severity       finding.Severity `json:"severity"`
	Attack         []finding.Attack `json:"attack,omitempty"`
	References     []string         `json:"references,omitempty"`
	FalsePositives []string         `json:"falsePositives,omitempty"`
	Response       string           `json:"response,omitempty"`
	Rate           *Rate            `json:"rate,omitempty"`
	Threshold      *Threshold       `json:"threshold,omitempty"`
	Exceptions     []Exception      `json:"exceptions,omitempty"`
	Disabled       bool             `json:"disabled,omitempty"` // "enabled": false; see Options.Enable
	File           string           `json:"file,omitempty"`     // where the rule was read from; empty for one in Go

	// What rules check has to say about the metadata.
	unknownAttack  []string
	severityAbsent bool
	strange        []strangeKey
	ownExceptions  int // so many of the exceptions stand in the metadata, the others in data
}

// strangeKey is a key of the metadata that is almost one that means something.
type strangeKey struct{ name, like string }

var metadataKeys = []string{
	"id", "version", "name", "description", "tags", "references", "false_positives", "response", "properties", "severity", "rate", "threshold",
	"enabled", "exceptions",
}

var propertyKeys = []string{"Severity", "MITRE ATT&CK", "Category", "Technique", "external_id"}

// strangeKeys finds misspelt keys: those that are no more than two letters, or upper and lower case, away from a known one.
func strangeKeys(doc map[string]any, known []string) (out []strangeKey) {
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if slices.Contains(known, name) {
			continue
		}
		for _, like := range known {
			_, both := doc[like]
			far := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(like))
			if !both && (far == 0 || far <= 2 && len(like) >= 6) {
				out = append(out, strangeKey{name, like})
				break
			}
		}
	}
	return out
}

// Rate limits the findings of a rule: at most Limit in a window of Per for each value of Key. What is over is counted
// into the next finding.
type Rate struct {
	Limit int           `json:"limit"`
	Per   time.Duration `json:"per"`
	Key   []string      `json:"key,omitempty"` // fields of the event; the rule as a whole when empty
}

// Threshold makes one finding of many matches: when Count of them, or of different values of the field Distinct, come
// within Within for one By. Then it counts anew.
type Threshold struct {
	Count    int           `json:"count"`
	Within   time.Duration `json:"within"`
	By       string        `json:"by,omitempty"`       // "process", "container", "host", or a field of the event
	Distinct string        `json:"distinct,omitempty"` // a field of the event: "args.pathname", "args.remote_addr.sin_addr"
}

// MetadataOf reads the object that a rule calls __rego_metadoc__.
func MetadataOf(doc map[string]any) (*Metadata, error) {
	r := docReader{doc: doc}
	m := &Metadata{
		ID: r.text("id"), Version: r.text("version"), Name: r.text("name"), Description: r.text("description"),
		Tags: r.list("tags"), References: r.list("references"), FalsePositives: r.list("false_positives"), Response: r.text("response"),
	}
	if p, ok := doc["properties"]; ok && p != nil {
		props, ok := p.(map[string]any)
		if !ok {
			r.fail("properties is not an object")
		}
		m.Properties = props
	}
	m.strange = append(strangeKeys(doc, metadataKeys), strangeKeys(m.Properties, propertyKeys)...)
	m.severity(&r)
	m.attack(&r)
	m.Rate, m.Threshold = r.rate(), r.threshold()
	if x, ok := doc["enabled"]; ok {
		on, isBool := x.(bool)
		if !isBool {
			r.fail("enabled is neither true nor false")
		}
		m.Disabled = isBool && !on
	}
	if x, ok := doc["exceptions"]; ok {
		raw, err := json.Marshal(x)
		if err == nil {
			m.Exceptions, err = ParseExceptions(raw)
		}
		if err != nil {
			r.fail("exceptions: " + err.Error())
		}
	}
	if m.ID == "" {
		r.fail(`no "id"`)
	}
	if m.Name == "" {
		m.Name = m.ID
	}
	m.ownExceptions = len(m.Exceptions)
	for i := range m.Exceptions {
		m.Exceptions[i].Rule = m.ID
	}
	return m, r.err
}

func (m *Metadata) severity(r *docReader) {
	v, ok := m.Properties["Severity"]
	if w, has := r.doc["severity"]; has {
		v, ok = w, true
	}
	switch x := v.(type) {
	case nil:
		if !ok {
			m.Severity, m.severityAbsent = finding.Medium, true
			return
		}
	case json.Number:
		if n, err := strconv.Atoi(x.String()); err == nil && n >= int(finding.Info) && n <= int(finding.Critical) {
			m.Severity = finding.Severity(n)
			return
		}
	case string:
		if s, err := finding.ParseSeverity(x); err == nil {
			m.Severity = s
			return
		}
		if n, err := strconv.Atoi(x); err == nil && n >= int(finding.Info) && n <= int(finding.Critical) {
			m.Severity = finding.Severity(n)
			return
		}
	}
	r.fail(fmt.Sprintf("severity %v: use a number from 0 to 4, or info, low, medium, high, critical", v))
}

// attack resolves what the metadata says of ATT&CK: one text or a list in "MITRE ATT&CK", or the later properties
// Technique, external_id and Category.
func (m *Metadata) attack(r *docReader) {
	cat := finding.ATTACK()
	add := func(text string) bool {
		got, ok := cat.Resolve(text)
		for _, a := range got {
			if !slices.ContainsFunc(m.Attack, func(b finding.Attack) bool { return sameAttack(a, b) }) {
				m.Attack = append(m.Attack, a)
			}
		}
		return ok
	}
	switch x := m.Properties["MITRE ATT&CK"].(type) {
	case nil:
	case string:
		if strings.TrimSpace(x) != "" && !add(x) {
			m.unknownAttack = append(m.unknownAttack, x)
		}
	case []any:
		for _, v := range x {
			if s, ok := v.(string); !ok || !add(s) {
				m.unknownAttack = append(m.unknownAttack, fmt.Sprint(v))
			}
		}
	default:
		r.fail(`properties: "MITRE ATT&CK" is neither text nor a list of texts`)
	}
	if m.Attack != nil {
		return
	}
	text := func(key string) string { s, _ := m.Properties[key].(string); return s }
	id, technique, category := text("external_id"), text("Technique"), text("Category")
	switch {
	case id != "":
		if !add(strings.TrimSpace(id + " " + tacticID(category))) {
			m.unknownAttack = append(m.unknownAttack, id)
		}
	case technique != "":
		if !(category != "" && add(strings.ReplaceAll(category, "-", " ")+": "+technique)) && !add(technique) {
			m.unknownAttack = append(m.unknownAttack, technique)
		}
	case category != "":
		if t, ok := cat.Tactic(category); ok {
			m.Attack = []finding.Attack{{Tactic: finding.Ref{ID: t.ID, Name: t.Name}}}
		}
	}
}

func tacticID(category string) string {
	t, ok := finding.ATTACK().Tactic(category)
	if !ok {
		return ""
	}
	return t.ID
}

func sameAttack(a, b finding.Attack) bool {
	sub := func(x finding.Attack) finding.Ref {
		if x.SubTechnique == nil {
			return finding.Ref{}
		}
		return *x.SubTechnique
	}
	return a.Tactic == b.Tactic && a.Technique == b.Technique && sub(a) == sub(b)
}

// docReader reads fields and keeps the first thing that is wrong.
type docReader struct {
	doc map[string]any
	err error
}

func (r *docReader) fail(reason string) {
	if r.err == nil {
		r.err = fmt.Errorf("metadata: %s", reason)
	}
}

func (r *docReader) text(key string) string {
	switch x := r.doc[key].(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	}
	r.fail(key + " is not text")
	return ""
}

func (r *docReader) list(key string) []string {
	switch x := r.doc[key].(type) {
	case nil:
		return nil
	case string:
		return []string{x}
	case []any:
		out := make([]string, 0, len(x))
		for _, v := range x {
			s, ok := v.(string)
			if !ok {
				r.fail(key + " is not a list of texts")
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	r.fail(key + " is not a list of texts")
	return nil
}

func (r *docReader) rate() *Rate {
	in := r.object("rate", "limit", "per", "key")
	if in == nil {
		return nil
	}
	rate := &Rate{Limit: in.count("limit"), Per: in.duration("per"), Key: in.list("key")}
	r.use("rate", in.err, `{"limit": 10, "per": "1m", "key": ["containerId"]}`)
	return rate
}

func (r *docReader) threshold() *Threshold {
	in := r.object("threshold", "count", "within", "by", "distinct")
	if in == nil {
		return nil
	}
	t := &Threshold{Count: in.count("count"), Within: in.duration("within"), By: in.text("by"), Distinct: in.text("distinct")}
	r.use("threshold", in.err, `{"count": 20, "within": "10s", "by": "process", "distinct": "args.pathname"}`)
	return t
}

func (r *docReader) use(key string, err error, example string) {
	if err != nil {
		r.fail(fmt.Sprintf("%s: %s; use %s", key, strings.TrimPrefix(err.Error(), "metadata: "), example))
	}
}

// object returns a reader of the object at key, or nil when there is none.
func (r *docReader) object(key string, known ...string) *docReader {
	v, ok := r.doc[key]
	if !ok {
		return nil
	}
	o, ok := v.(map[string]any)
	in := &docReader{doc: o}
	if !ok {
		in.fail("it is not an object")
	}
	for k := range o {
		if !slices.Contains(known, k) {
			in.fail(fmt.Sprintf("unknown key %q", k))
		}
	}
	return in
}

func (r *docReader) count(key string) int {
	n, _ := r.doc[key].(json.Number)
	i, err := strconv.Atoi(n.String())
	if err != nil || i <= 0 {
		r.fail(key + " is no number above 0")
	}
	return i
}

func (r *docReader) duration(key string) time.Duration {
	d, err := time.ParseDuration(r.text(key))
	if err != nil || d <= 0 {
		r.fail(key + " is no duration above 0")
	}
	return d
}

var registered struct {
	sync.Mutex
	rules []Rule
}

// Register adds a rule written in Go to those that Registered returns. It panics when another has its id: call it from
// an init function.
func Register(r Rule) {
	registered.Lock()
	defer registered.Unlock()
	id := r.Metadata().ID
	if id == "" {
		panic("detect: a rule without an id was registered")
	}
	for _, x := range registered.rules {
		if x.Metadata().ID == id {
			panic("detect: two rules with the id " + id + " were registered")
		}
	}
	registered.rules = append(registered.rules, r)
}

// Registered returns the rules that were compiled in.
func Registered() []Rule {
	registered.Lock()
	defer registered.Unlock()
	return slices.Clone(registered.rules)
}
