package encode

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// encodeCloudEvents writes CloudEvents 1.0 in JSON, structured mode:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
func encodeCloudEvents(v *View) ([]byte, error) {
	data, err := encodeJSON(v)
	if err != nil {
		return nil, err
	}
	source := "/tocsin"
	for _, s := range []string{v.Cluster, v.Host} {
		if s != "" {
			source += "/" + pathEscape(s)
		}
	}
	return marshal(struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        time.Time       `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Severity    string          `json:"severity"` // an extension; attribute names are [a-z0-9]
		Data        json.RawMessage `json:"data"`
	}{"1.0", v.Notification.ID, source, "io.tocsin." + string(v.Kind) + ".v1", v.Rule.ID, v.Time, "application/json", v.Severity.String(), data})
}

// pathEscape keeps a name to what a URI reference may have in a segment.
func pathEscape(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r) {
			return r
		}
		return '_'
	}, s)
}

// encodeSplunk writes an event for Splunk's HTTP Event Collector. time is in seconds with a fraction; the fields are
// indexed, the event is searched.
func encodeSplunk(v *View) ([]byte, error) {
	event, err := encodeJSON(v)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{"severity": v.Severity.String(), "rule": v.Rule.ID, "kind": string(v.Kind), "notification_id": v.Notification.ID}
	if t := idsOf(v.Precise()); t != nil {
		fields["technique"] = t
	}
	if t := idsOf(v.Tactics()); t != nil {
		fields["tactic"] = t
	}
	return marshal(struct {
		Time       json.Number     `json:"time"`
		Host       string          `json:"host,omitempty"`
		Source     string          `json:"source"`
		SourceType string          `json:"sourcetype"`
		Event      json.RawMessage `json:"event"`
		Fields     map[string]any  `json:"fields"`
	}{json.Number(strconv.FormatFloat(float64(v.LastSeen.UnixMilli())/1000, 'f', 3, 64)), v.Host, "tocsin", "tocsin:" + string(v.Kind), event, fields})
}

func idsOf(list []finding.Ref) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}

func namesOf(list []finding.Ref) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.Name)
	}
	return out
}

func linksOf(list []finding.Ref) []string {
	var out []string
	for _, r := range list {
		out = append(out, AttackURL(r.ID))
	}
	return out
}

// tenth is a severity on the scale 0 to 10 of CEF and LEEF.
func tenth(s finding.Severity) int { return [...]int{1, 3, 5, 8, 10}[min(s, 4)] }

// encodeCEF writes ArcSight's Common Event Format, revision 25 of its guide.
func encodeCEF(v *View) ([]byte, error) {
	var b strings.Builder
	b.WriteString("CEF:0|Tocsin|Tocsin")
	for _, s := range []string{v.Version, v.Rule.ID, v.Title, strconv.Itoa(tenth(v.Severity))} {
		b.WriteByte('|')
		b.WriteString(cefHeader.Replace(oneLine(s)))
	}
	b.WriteByte('|')
	started := false
	add := func(key, value string) {
		if value == "" {
			return
		}
		if started {
			b.WriteByte(' ')
		}
		started = true
		b.WriteString(key + "=" + cefValue.Replace(strings.ToValidUTF8(value, "�")))
	}
	custom := func(n int, label, value string) {
		if value != "" {
			key := "cs" + strconv.Itoa(n)
			add(key, value)
			add(key+"Label", label)
		}
	}
	add("rt", millis(v.LastSeen))
	add("start", millis(v.FirstSeen))
	add("end", millis(v.LastSeen))
	add("cnt", strconv.FormatUint(v.Count, 10))
	add("externalId", v.Notification.ID)
	add("cat", strings.Join(namesOf(v.Tactics()), ","))
	add("act", string(v.Kind))
	add("dvchost", v.Host)
	if p := v.Process; p != nil {
		add("sproc", first(p.Executable, p.Name))
		add("spid", strconv.FormatUint(uint64(p.PID), 10))
		add("suid", strconv.FormatUint(uint64(p.UID), 10))
		add("suser", p.User)
	}
	custom(1, "technique", strings.Join(idsOf(v.Precise()), ","))
	custom(2, "alert", v.UID)
	if c := v.Container; c != nil {
		custom(3, "container", strings.TrimSpace(c.Name+" "+c.ID))
		custom(4, "image", c.Image)
	}
	if k := v.Kubernetes; k != nil && k.PodName != "" {
		custom(5, "pod", k.Namespace+"/"+k.PodName)
	}
	if p := v.Process; p != nil {
		custom(6, "command line", strings.Join(p.Args, " "))
	}
	add("request", v.URL)
	add("msg", v.Text)
	return []byte(b.String()), nil
}

var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\r\n", `\n`, "\n", `\n`, "\r", `\r`, "\x00", " ")
)

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// oneLine replaces control characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// encodeLEEF writes IBM QRadar's Log Event Extended Format 2.0. Attributes are separated by tabs, which the header names
// in hexadecimal.
func encodeLEEF(v *View) ([]byte, error) {
	var b strings.Builder
	b.WriteString("LEEF:2.0|Tocsin|Tocsin")
	for _, s := range []string{v.Version, v.Rule.ID, "x09"} {
		b.WriteByte('|')
		b.WriteString(strings.ReplaceAll(oneLine(s), "|", "_"))
	}
	b.WriteByte('|')
	started := false
	add := func(key, value string) {
		if value == "" {
			return
		}
		if started {
			b.WriteByte('\t')
		}
		started = true
		b.WriteString(key + "=" + oneLine(value))
	}
	add("cat", first(append(namesOf(v.Tactics()), string(v.Kind))...))
	add("sev", strconv.Itoa(tenth(v.Severity)))
	add("devTime", v.LastSeen.UTC().Format("2006-01-02T15:04:05.000-0700"))
	add("devTimeFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSZ")
	add("identHostName", v.Host)
	add("name", v.Title)
	add("msg", v.Text)
	add("externalId", v.Notification.ID)
	add("alert", v.UID)
	add("kind", string(v.Kind))
	add("count", strconv.FormatUint(v.Count, 10))
	add("tactic", strings.Join(idsOf(v.Tactics()), ","))
	add("technique", strings.Join(idsOf(v.Precise()), ","))
	add("cluster", v.Cluster)
	if p := v.Process; p != nil {
		add("usrName", first(p.User, strconv.FormatUint(uint64(p.UID), 10)))
		add("process", first(p.Executable, p.Name))
		add("pid", strconv.FormatUint(uint64(p.PID), 10))
		add("commandLine", strings.Join(p.Args, " "))
	}
	if c := v.Container; c != nil {
		add("containerId", c.ID)
		add("containerName", c.Name)
		add("image", c.Image)
	}
	if k := v.Kubernetes; k != nil {
		add("namespace", k.Namespace)
		add("pod", k.PodName)
	}
	add("url", v.URL)
	return []byte(b.String()), nil
}
