package encode

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// ocsfVersion is the version of https://schema.ocsf.io that the Detection Finding follows.
const ocsfVersion = "1.5.0"

const ocsfClass = 2004

// object is JSON with keys in alphabetical order, which encoding/json writes.
type object = map[string]any

// put sets a key unless the value is empty.
func put[T comparable](o object, key string, value T) {
	var zero T
	if value != zero {
		o[key] = value
	}
}

func encodeOCSF(v *View) ([]byte, error) {
	activity, activityName := 1, "Create"
	switch v.Kind {
	case finding.KindUpdate, finding.KindReminder:
		activity, activityName = 2, "Update"
	case finding.KindClosed:
		activity, activityName = 3, "Close"
	}
	status, statusName := 1, "New"
	switch v.Status {
	case finding.Acknowledged:
		status, statusName = 2, "In Progress"
	case finding.Closed:
		status, statusName = 4, "Resolved"
	}
	severity := [...]string{"Informational", "Low", "Medium", "High", "Critical"}[min(v.Severity, 4)]
	profiles := []string{"host"}
	if v.Container != nil {
		profiles = append(profiles, "container")
	}
	metadata := object{
		"version": ocsfVersion, "uid": v.Notification.ID, "correlation_uid": v.UID, "profiles": profiles,
		"product": object{"name": "Tocsin", "vendor_name": "Tocsin", "version": v.Version},
	}
	put(metadata, "tenant_uid", v.Cluster)
	o := object{
		"activity_id": activity, "activity_name": activityName, "category_uid": 2, "category_name": "Findings",
		"class_uid": ocsfClass, "class_name": "Detection Finding", "type_uid": ocsfClass*100 + activity, "type_name": "Detection Finding: " + activityName,
		"severity_id": int(min(v.Severity, 4)) + 1, "severity": severity, "status_id": status, "status": statusName,
		"time": v.Time.UnixMilli(), "start_time": v.FirstSeen.UnixMilli(), "end_time": v.LastSeen.UnixMilli(), "count": v.Count,
		"message": v.Text, "is_alert": true,
		"metadata": metadata, "finding_info": ocsfFinding(v),
	}
	put(o, "status_detail", string(v.Reason))
	if v.Host != "" {
		o["device"] = object{"hostname": v.Host, "type_id": 0, "type": "Unknown"}
	}
	if r := ocsfResources(v); r != nil {
		o["resources"] = r
	}
	if e := ocsfEvidence(v); len(e) > 0 {
		o["evidences"] = []object{e}
	}
	if v.Rule.Response != "" {
		o["remediation"] = object{"desc": v.Rule.Response}
	}
	if len(v.Event) > 0 {
		o["raw_data"] = string(v.Event)
	}
	if v.Kind == finding.KindDigest {
		o["unmapped"] = object{"digest": v.Digest, "omitted": v.Omitted}
	}
	return marshal(o)
}

func ocsfFinding(v *View) object {
	info := object{
		"uid": v.UID, "title": v.Title, "created_time": v.FirstSeen.UnixMilli(),
		"first_seen_time": v.FirstSeen.UnixMilli(), "last_seen_time": v.LastSeen.UnixMilli(),
		"analytic": object{"type_id": 1, "type": "Rule", "uid": v.Rule.ID, "name": v.Rule.Name},
	}
	put(info["analytic"].(object), "version", v.Rule.Version)
	put(info, "desc", v.Rule.Description)
	put(info, "src_url", v.URL)
	if len(v.Rule.Tags) > 0 {
		info["tags"] = tags(v.Rule.Tags)
	}
	var attacks []object
	for _, a := range v.Attack {
		x := object{"version": finding.ATTACK().Version}
		for key, r := range map[string]*finding.Ref{"tactic": &a.Tactic, "technique": &a.Technique, "sub_technique": a.SubTechnique} {
			if r != nil && r.ID != "" {
				x[key] = object{"uid": r.ID, "name": r.Name, "src_url": AttackURL(r.ID)}
			}
		}
		attacks = append(attacks, x)
	}
	if attacks != nil {
		info["attacks"] = attacks
	}
	return info
}

// tags are key and value in OCSF; Tocsin's have names only.
func tags(list []string) []object {
	out := make([]object, len(list))
	for i, t := range list {
		out[i] = object{"name": t}
	}
	return out
}

func ocsfResources(v *View) []object {
	var out []object
	if v.Host != "" {
		out = append(out, object{"type": "host", "name": v.Host})
	}
	if c := v.Container; c != nil {
		x := object{"type": "container", "uid": c.ID}
		put(x, "name", c.Name)
		out = append(out, x)
	}
	if k := v.Kubernetes; k != nil && k.PodName != "" {
		x := object{"type": "pod", "name": k.PodName}
		put(x, "uid", k.PodUID)
		put(x, "namespace", k.Namespace)
		out = append(out, x)
	}
	return out
}

func ocsfEvidence(v *View) object {
	e := object{}
	if v.Process != nil {
		p := ocsfProcess(v.Process)
		if len(v.Process.Ancestors) > 0 {
			p["parent_process"] = ocsfProcess(&v.Process.Ancestors[0])
		}
		e["process"] = p
		e["actor"] = object{"process": object{"pid": v.Process.PID, "name": v.Process.Name}, "user": p["user"]}
	}
	if c := v.Container; c != nil {
		x := object{"uid": c.ID}
		put(x, "name", c.Name)
		put(x, "runtime", c.Runtime)
		if c.Image != "" {
			img := object{"name": c.Image}
			put(img, "uid", c.ImageDigest)
			x["image"] = img
		}
		if k := v.Kubernetes; k != nil {
			put(x, "pod_uuid", k.PodUID)
			x["orchestrator"] = "kubernetes"
		}
		e["container"] = x
	}
	if len(v.Data) > 0 && json.Valid(v.Data) {
		e["data"] = v.Data
	}
	return e
}

func ocsfProcess(p *finding.Process) object {
	x := object{"pid": p.PID, "name": p.Name}
	put(x, "uid", p.ExecID)
	put(x, "cmd_line", strings.Join(p.Args, " "))
	put(x, "working_directory", p.Cwd)
	if p.Executable != "" {
		x["file"] = object{"path": p.Executable, "name": p.Executable[strings.LastIndexByte(p.Executable, '/')+1:], "type_id": 1, "type": "Regular File"}
	}
	if p.StartTime != nil {
		x["created_time"] = p.StartTime.UnixMilli()
	}
	user := object{"uid": itoa(p.UID)}
	put(user, "name", p.User)
	x["user"] = user
	return x
}

// ecsVersion is the version of https://www.elastic.co/guide/en/ecs that the document follows.
const ecsVersion = "8.17.0"

// encodeECS writes an alert in the Elastic Common Schema. What the schema has no field for is under "tocsin".
func encodeECS(v *View) ([]byte, error) {
	event := object{
		"kind": "alert", "category": []string{"intrusion_detection"}, "type": []string{"info"}, "id": v.Notification.ID,
		"severity": [...]int{5, 21, 47, 73, 99}[min(v.Severity, 4)], // the scale of Elastic's detection rules
		"dataset":  "tocsin.alert", "module": "tocsin", "provider": v.Source, "action": string(v.Kind),
		"created": stamp(v.Time), "start": stamp(v.FirstSeen), "end": stamp(v.LastSeen),
	}
	put(event, "url", v.URL)
	rule := object{"id": v.Rule.ID, "name": v.Rule.Name, "ruleset": "tocsin"}
	put(rule, "version", v.Rule.Version)
	put(rule, "description", v.Rule.Description)
	if len(v.Rule.References) > 0 {
		rule["reference"] = v.Rule.References[0]
	}
	own := object{"kind": v.Kind, "alert": v.UID, "count": v.Count, "status": v.Status, "severity": v.Severity.String()}
	put(own, "origin", v.Origin)
	put(own, "reason", string(v.Reason))
	if len(v.Data) > 0 && json.Valid(v.Data) {
		own["data"] = v.Data
	}
	if v.Kind == finding.KindDigest {
		own["digest"], own["omitted"] = v.Digest, v.Omitted
	}
	o := object{
		"@timestamp": stamp(v.LastSeen), "ecs": object{"version": ecsVersion}, "event": event, "rule": rule, "message": v.Text, "tocsin": own,
		"observer": object{"vendor": "Tocsin", "product": "Tocsin", "type": "sensor", "version": v.Version},
	}
	if v.Host != "" {
		o["host"] = object{"name": v.Host, "hostname": v.Host}
	}
	if len(v.Rule.Tags) > 0 {
		o["tags"] = v.Rule.Tags
	}
	if len(v.Event) > 0 {
		event["original"] = string(v.Event)
	}
	if v.Process != nil {
		event["category"] = []string{"intrusion_detection", "process"}
		p := ecsProcess(v.Process)
		if len(v.Process.Ancestors) > 0 {
			p["parent"] = ecsProcess(&v.Process.Ancestors[0])
		}
		o["process"] = p
		user := object{"id": itoa(v.Process.UID), "effective": object{"id": itoa(v.Process.EUID)}}
		put(user, "name", v.Process.User)
		o["user"] = user
	}
	if len(v.Attack) > 0 {
		o["threat"] = ecsThreat(v)
	}
	if c := v.Container; c != nil {
		x := object{"id": c.ID}
		put(x, "name", c.Name)
		put(x, "runtime", c.Runtime)
		if c.Image != "" {
			img := object{"name": c.Image}
			if c.ImageDigest != "" {
				img["hash"] = object{"all": []string{c.ImageDigest}}
			}
			x["image"] = img
		}
		o["container"] = x
	}
	if k := v.Kubernetes; k != nil {
		x := object{"type": "kubernetes"}
		put(x, "namespace", k.Namespace)
		if v.Cluster != "" {
			x["cluster"] = object{"name": v.Cluster}
		}
		if k.PodName != "" {
			r := object{"type": "pod", "name": k.PodName}
			put(r, "id", k.PodUID)
			x["resource"] = r
		}
		o["orchestrator"] = x
	}
	return marshal(o)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func ecsProcess(p *finding.Process) object {
	x := object{"pid": p.PID, "name": p.Name}
	put(x, "entity_id", p.ExecID)
	put(x, "executable", p.Executable)
	put(x, "working_directory", p.Cwd)
	if len(p.Args) > 0 {
		x["args"], x["args_count"], x["command_line"] = p.Args, len(p.Args), strings.Join(p.Args, " ")
	}
	if p.StartTime != nil {
		x["start"] = stamp(*p.StartTime)
	}
	return x
}

func ecsThreat(v *View) object {
	three := func(list []finding.Ref) object {
		return object{"id": idsOf(list), "name": namesOf(list), "reference": linksOf(list)}
	}
	t := object{"framework": "MITRE ATT&CK"}
	if l := v.Tactics(); l != nil {
		t["tactic"] = three(l)
	}
	if l := v.Techniques(); l != nil {
		x := three(l)
		if s := v.SubTechniques(); s != nil {
			x["subtechnique"] = three(s)
		}
		t["technique"] = x
	}
	return t
}
