// Package encode turns notifications into the formats that receivers ingest: Tocsin's own JSON, CloudEvents, OCSF, ECS,
// CEF, LEEF, Splunk's events. View is what they all, and the messages to people, are made from.
package encode

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// View is a notification seen as one thing, whether it tells of an alert or of a single finding. It is also what
// templates get. Nothing in it may be changed: it shares the notification's memory.
type View struct {
	Notification *finding.Notification
	Kind         finding.Kind
	UID          string // of the alert, or of the finding where there is no alert; incident keys are made from it
	Title        string // the rule's name
	Text         string // what happened, one line
	Time         time.Time
	FirstSeen    time.Time
	LastSeen     time.Time
	Count        uint64 // findings
	Status       finding.Status
	Reason       finding.Reason
	Severity     finding.Severity
	Rule         finding.Rule
	Attack       []finding.Attack
	Cluster      string
	Host         string
	Origin       string
	Source       string
	Process      *finding.Process
	Container    *finding.Container
	Kubernetes   *finding.Kubernetes
	Event        json.RawMessage
	Data         json.RawMessage
	Digest       []finding.Alert
	Omitted      uint64
	URL          string // in the console, or empty
	Version      string // of Tocsin
}

// NewView makes the view of a notification. version is Tocsin's, url gives an alert's address in the console; both may
// be left out.
func NewView(n *finding.Notification, version string, url func(alertID string) string) View {
	v := View{Notification: n, Version: version, Kind: n.Kind, UID: n.ID, Time: n.Time, Count: 1, Status: finding.Open, Digest: n.Digest, Omitted: n.Omitted}
	var f *finding.Finding
	if len(n.Findings) > 0 {
		f = &n.Findings[len(n.Findings)-1]
	}
	if a := n.Alert; a != nil {
		if a.Finding != nil {
			f = a.Finding
		}
		v.UID, v.Status, v.Reason, v.Severity, v.Rule, v.Attack = a.ID, a.Status, a.Reason, a.Severity, a.Rule, a.Attack
		v.Cluster, v.Host, v.Origin = a.Cluster, a.Host, a.Origin
		v.Process, v.Container, v.Kubernetes = a.Process, a.Container, a.Kubernetes
		v.FirstSeen, v.LastSeen, v.Count, v.Text = a.FirstSeen, a.LastSeen, a.Count, a.Message
		if url != nil {
			v.URL = url(a.ID)
		}
		if f != nil {
			v.Event, v.Data, v.Source = f.Event, f.Data, f.Source
		}
	} else if f != nil {
		v.UID, v.Severity, v.Rule, v.Attack = f.ID, f.Severity, f.Rule, f.Attack
		v.Cluster, v.Host, v.Origin, v.Source = f.Cluster, f.Host, f.Origin, f.Source
		v.Process, v.Container, v.Kubernetes = f.Process, f.Container, f.Kubernetes
		v.FirstSeen, v.LastSeen, v.Count, v.Text = f.Time, f.Time, max(f.Count, 1), f.Message
		v.Event, v.Data = f.Event, f.Data
	}
	if v.Rule.Name == "" {
		v.Rule.Name = v.Rule.ID
	}
	v.Title = v.Rule.Name
	if v.Source == "" {
		v.Source = "tocsin"
	}
	if v.LastSeen.IsZero() {
		v.FirstSeen, v.LastSeen = n.Time, n.Time
	}
	switch {
	case n.Kind == finding.KindDigest:
		v.digest()
	case v.Title == "" && n.Kind == finding.KindTest:
		v.Title, v.Text = "Test notification", "If you can read this, Tocsin reaches you."
		v.Rule = finding.Rule{ID: "tocsin_test", Name: v.Title}
	}
	if v.Text == "" {
		v.Text = v.describe()
	}
	return v
}

func (v *View) digest() {
	v.Count = v.Omitted
	v.Severity = finding.Info
	hosts := map[string]bool{}
	for i := range v.Digest {
		a := &v.Digest[i]
		v.Severity = max(v.Severity, a.Severity)
		v.Count += max(a.Count, 1)
		hosts[a.Host] = true
		if i == 0 || a.FirstSeen.Before(v.FirstSeen) {
			v.FirstSeen = a.FirstSeen
		}
		if i == 0 || a.LastSeen.After(v.LastSeen) {
			v.LastSeen = a.LastSeen
		}
	}
	if len(hosts) == 1 {
		v.Host = v.Digest[0].Host
	}
	v.Rule = finding.Rule{ID: "tocsin_digest", Name: "Digest"}
	v.Title = fmt.Sprintf("%d alerts in one message", uint64(len(v.Digest))+v.Omitted)
	var names []string
	for i, a := range v.Digest {
		if i == 5 {
			names = append(names, "…")
			break
		}
		names = append(names, a.Rule.Name)
	}
	v.Text = "The rate limit of this output was reached: " + strings.Join(names, ", ")
}

// describe says what happened when the rule did not.
func (v *View) describe() string {
	var b strings.Builder
	b.WriteString(v.Title)
	if p := v.Process; p != nil && (p.Name != "" || p.Executable != "") {
		fmt.Fprintf(&b, ": process %s (pid %d)", first(p.Executable, p.Name), p.PID)
	}
	if c := v.Container; c != nil {
		fmt.Fprintf(&b, " in container %s", first(c.Name, short(c.ID)))
	}
	if v.Host != "" {
		fmt.Fprintf(&b, " on %s", v.Host)
	}
	return b.String()
}

// Tactics lists the tactics of the view once each, in their order.
func (v *View) Tactics() []finding.Ref {
	return refs(v.Attack, func(a finding.Attack) *finding.Ref { return &a.Tactic })
}

// Techniques lists the techniques, without sub-techniques, once each.
func (v *View) Techniques() []finding.Ref {
	return refs(v.Attack, func(a finding.Attack) *finding.Ref { return &a.Technique })
}

// SubTechniques lists the sub-techniques once each.
func (v *View) SubTechniques() []finding.Ref {
	return refs(v.Attack, func(a finding.Attack) *finding.Ref { return a.SubTechnique })
}

// Precise lists for each entry the most precise technique, or its tactic where there is none.
func (v *View) Precise() []finding.Ref {
	return refs(v.Attack, func(a finding.Attack) *finding.Ref {
		switch {
		case a.SubTechnique != nil:
			return a.SubTechnique
		case a.Technique.ID != "":
			return &a.Technique
		}
		return &a.Tactic
	})
}

func refs(list []finding.Attack, pick func(finding.Attack) *finding.Ref) []finding.Ref {
	var out []finding.Ref
	seen := map[string]bool{}
	for _, a := range list {
		if r := pick(a); r != nil && r.ID != "" && !seen[r.ID] {
			seen[r.ID] = true
			out = append(out, *r)
		}
	}
	return out
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func short(id string) string { return id[:min(len(id), 12)] }

// AttackURL is the page of a tactic or technique at attack.mitre.org.
func AttackURL(id string) string {
	if strings.HasPrefix(id, "TA") {
		return "https://attack.mitre.org/tactics/" + id + "/"
	}
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(id, ".", "/") + "/"
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
