// Package ingest turns what Falco and Tracee send into findings.
//
// Falco's http_output posts one JSON object a request; some senders post newline-delimited objects or an array, and so
// all three are taken. The same message sent twice gives the same finding id.
package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// maxObjects bounds the findings of one request.
const maxObjects = 10_000

// each calls f with each object of a body: one, several one after another, or an array. An object that f refuses does not
// keep it from the others; the error joins what was wrong.
func each(body []byte, f func(raw json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	n := 0
	var errs []error
	one := func(raw json.RawMessage) {
		n++
		switch {
		case n > maxObjects:
		case len(raw) == 0 || raw[0] != '{':
			errs = append(errs, fmt.Errorf("object %d: want a JSON object", n))
		default:
			if err := f(raw); err != nil {
				errs = append(errs, fmt.Errorf("object %d: %w", n, err))
			}
		}
	}
	for {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if err == io.EOF {
			break
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("object %d: %w", n+1, err))
			break
		}
		if raw[0] != '[' {
			one(raw)
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			errs = append(errs, err)
			break
		}
		for _, x := range list {
			one(x)
		}
	}
	if n > maxObjects {
		errs = append(errs, fmt.Errorf("%d objects are too many for one request: the first %d are taken", n, maxObjects))
	}
	if n == 0 && errs == nil {
		errs = append(errs, errors.New("the body has no JSON object"))
	}
	return errors.Join(errs...)
}

// sane reports whether a time can be kept as Unix nanoseconds, and is not absurd.
func sane(t time.Time) bool { return t.Year() >= 1990 && t.Year() < 2200 }

// document is a JSON object whose numbers keep all their digits.
type document map[string]any

func decode(raw []byte) (document, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var d document
	err := dec.Decode(&d)
	return d, err
}

// text returns a field as text; "" when it is missing, null or "<NA>", which is how Falco says that.
func (d document) text(keys ...string) string {
	for _, k := range keys {
		switch v := d[k].(type) {
		case string:
			if v != "" && v != "<NA>" && v != "N/A" {
				return v
			}
		case json.Number:
			return v.String()
		case bool:
			return strconv.FormatBool(v)
		}
	}
	return ""
}

func (d document) number(keys ...string) uint32 {
	n, _ := strconv.ParseUint(d.text(keys...), 10, 32)
	return uint32(n)
}

func (d document) object(key string) document {
	m, _ := d[key].(map[string]any)
	return m
}

func (d document) texts(key string) []string {
	list, _ := d[key].([]any)
	var out []string
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes an id of a rule's name.
func slug(name string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(name), "_"), "_")
}

// Falco reads what Falco's http_output posts. With an error, the list has the findings that could be read all the same.
func Falco(body []byte) ([]finding.Finding, error) {
	var out []finding.Finding
	err := each(body, func(raw json.RawMessage) error {
		f, err := falco(raw)
		if err == nil {
			out = append(out, f)
		}
		return err
	})
	return out, err
}

var falcoSeverity = map[string]finding.Severity{
	"emergency": finding.Critical, "alert": finding.Critical, "critical": finding.Critical, "error": finding.High,
	"warning": finding.Medium, "notice": finding.Low, "informational": finding.Info, "info": finding.Info, "debug": finding.Info,
}

func falco(raw []byte) (finding.Finding, error) {
	d, err := decode(raw)
	if err != nil {
		return finding.Finding{}, err
	}
	rule := d.text("rule")
	if rule == "" {
		return finding.Finding{}, errors.New("not an event of Falco: it has no rule")
	}
	priority := d.text("priority")
	severity, ok := falcoSeverity[strings.ToLower(priority)]
	if !ok {
		return finding.Finding{}, fmt.Errorf("not an event of Falco: %q is not a priority", priority)
	}
	o := d.object("output_fields")
	f := finding.Finding{
		Source: "falco", Severity: severity, Origin: "host", Host: d.text("hostname"), Message: d.text("output", "message"),
		Rule: finding.Rule{ID: slug(rule), Name: rule, Tags: d.texts("tags")}, Event: raw,
	}
	if f.Rule.ID == "" { // a name without a letter that an id can have
		f.Rule.ID = "falco"
	}
	if f.Host == "" {
		f.Host = o.text("evt.hostname", "k8s.node.name")
	}
	if f.Time, err = time.Parse(time.RFC3339Nano, d.text("time")); err != nil {
		if ns, e := strconv.ParseInt(o.text("evt.time"), 10, 64); e == nil {
			f.Time = time.Unix(0, ns).UTC()
		} else {
			return finding.Finding{}, fmt.Errorf("time: %w", err)
		}
	}
	if f.Time = f.Time.UTC(); !sane(f.Time) {
		return finding.Finding{}, fmt.Errorf("time: %s can't be", f.Time)
	}
	if o != nil {
		f.Data, _ = json.Marshal(o)
	}
	f.Attack = falcoAttack(f.Rule.Tags)
	f.Process = falcoProcess(o)
	if id := o.text("container.id"); id != "" && id != "host" {
		f.Origin = "container"
		image := o.text("container.image")
		if image == "" {
			if image = o.text("container.image.repository"); image != "" && o.text("container.image.tag") != "" {
				image += ":" + o.text("container.image.tag")
			}
		}
		f.Container = &finding.Container{ID: id, Name: o.text("container.name"), Image: image, ImageDigest: o.text("container.image.digest")}
	}
	if pod := o.text("k8s.pod.name"); pod != "" {
		f.Kubernetes = &finding.Kubernetes{PodName: pod, Namespace: o.text("k8s.ns.name"), PodUID: o.text("k8s.pod.uid", "k8s.pod.id")}
	}
	seed := raw
	if id := d.text("uuid"); id != "" {
		seed = []byte(id)
	}
	f.ID = finding.NewID(f.Host, f.Rule.ID, f.Time, seed)
	f.SetFingerprint()
	return f, nil
}

func falcoProcess(o document) *finding.Process {
	p := finding.Process{
		Name: o.text("proc.name"), Executable: o.text("proc.exepath"), Cwd: o.text("proc.cwd"), User: o.text("user.name"),
		PID: o.number("proc.pid"), TID: o.number("thread.tid"), PPID: o.number("proc.ppid"), UID: o.number("user.uid"), EUID: o.number("user.uid"),
	}
	if cmd := o.text("proc.cmdline"); cmd != "" {
		p.Args = strings.Fields(cmd)
	}
	if p.Name == "" && p.Executable == "" && p.PID == 0 {
		return nil
	}
	if parent := o.text("proc.pname"); parent != "" {
		p.Ancestors = []finding.Process{{Name: parent, PID: p.PPID, Executable: o.text("proc.pexepath")}}
	}
	return &p
}

// falcoAttack keeps the id of a technique that is not in this version of ATT&CK, or for another platform.
func falcoAttack(tags []string) []finding.Attack {
	cat := finding.ATTACK()
	var out []finding.Attack
	for _, text := range cat.OfTags(tags) {
		list, ok := cat.Resolve(text)
		if !ok {
			list = []finding.Attack{{Technique: finding.Ref{ID: text}}}
		}
		out = append(out, list...)
	}
	return out
}
