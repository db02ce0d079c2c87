package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Tracee reads what Tracee's webhook posts: the findings of its rules engine ({"Data", "Context", "SigMetadata"}), and the
// events of signatures of later versions, whose metadata has a signatureID. Other events of Tracee are not findings, and
// are an error.
func Tracee(body []byte) ([]finding.Finding, error) {
	var out []finding.Finding
	err := each(body, func(raw json.RawMessage) error {
		f, err := tracee(raw)
		if err == nil {
			out = append(out, f)
		}
		return err
	})
	return out, err
}

func tracee(raw []byte) (finding.Finding, error) {
	d, err := decode(raw)
	if err != nil {
		return finding.Finding{}, err
	}
	f := finding.Finding{Source: "tracee", Origin: "host", Event: raw}
	event, properties := d, document(nil)
	if meta := d.object("SigMetadata"); meta != nil {
		properties = meta.object("Properties")
		f.Rule = finding.Rule{ID: meta.text("ID"), Name: meta.text("Name"), Version: meta.text("Version"), Description: meta.text("Description"), Tags: meta.texts("Tags")}
		if event = d.object("Context"); event == nil {
			event = document{}
		} else {
			f.Event, _ = json.Marshal(event)
		}
		if data, ok := d["Data"]; ok && data != nil {
			f.Data, _ = json.Marshal(data)
		}
	} else if meta := d.object("metadata"); meta != nil {
		properties = meta.object("Properties")
		f.Rule = finding.Rule{
			ID: properties.text("signatureID"), Name: properties.text("signatureName"), Version: meta.text("Version"),
			Description: meta.text("Description"), Tags: meta.texts("Tags"),
		}
		if args, ok := d["args"]; ok {
			f.Data, _ = json.Marshal(map[string]any{"args": args})
		}
	}
	if f.Rule.ID == "" {
		return finding.Finding{}, errors.New("not a finding of Tracee: it has neither SigMetadata.ID nor metadata.Properties.signatureID")
	}
	f.Rule.Properties = properties
	if f.Rule.Name == "" {
		f.Rule.Name = f.Rule.ID
	}
	severity, err := strconv.Atoi(properties.text("Severity"))
	if err != nil || severity < int(finding.Info) || severity > int(finding.Critical) {
		return finding.Finding{}, fmt.Errorf("severity %q: want 0 to 4", properties.text("Severity"))
	}
	f.Severity = finding.Severity(severity)
	for _, text := range []string{properties.text("external_id"), properties.text("MITRE ATT&CK"), properties.text("Technique"), properties.text("Category")} {
		if text == "" {
			continue
		}
		var ok bool
		if f.Attack, ok = finding.ATTACK().Resolve(text); ok {
			break
		}
	}
	place(&f, event)
	if !sane(f.Time) {
		f.Time = time.Time{}
	}
	f.ID = finding.NewID(f.Host, f.Rule.ID, f.Time, raw)
	if f.Time.IsZero() {
		f.Time = time.Now().UTC()
	}
	f.SetFingerprint()
	return f, nil
}

// place fills in when, where and by whom, from the event.
func place(f *finding.Finding, e document) {
	if ns, err := strconv.ParseInt(e.text("timestamp"), 10, 64); err == nil && ns > 0 {
		f.Time = time.Unix(0, ns).UTC()
	}
	f.Host = e.text("hostName")
	c, k := e.object("container"), e.object("kubernetes")
	id := e.text("containerId")
	if id == "" {
		id = c.text("id")
	}
	if id != "" {
		f.Origin = "container"
		f.Container = &finding.Container{ID: id, Name: first(c.text("name"), e.text("containerName")), Image: first(c.text("image"), e.text("containerImage")), ImageDigest: c.text("imageDigest")}
	}
	if pod := first(k.text("podName"), e.text("podName")); pod != "" {
		f.Kubernetes = &finding.Kubernetes{PodName: pod, Namespace: first(k.text("podNamespace"), e.text("podNamespace")), PodUID: first(k.text("podUID"), e.text("podUID"))}
	}
	if name := e.text("processName"); name != "" {
		f.Process = &finding.Process{
			Name: name, Executable: e.object("executable").text("path"), PID: e.number("hostProcessId", "processId"), TID: e.number("hostThreadId", "threadId"),
			PPID: e.number("hostParentProcessId", "parentProcessId"), UID: e.number("userId"), EUID: e.number("userId"), ExecID: e.text("processEntityId"),
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
