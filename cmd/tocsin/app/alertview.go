package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/finding"
)

// delivery is one line of who was told, as the API gives it.
type delivery struct {
	Output   string    `json:"output"`
	Kind     string    `json:"kind"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	Updated  time.Time `json:"updated"`
	Error    string    `json:"error"`
}

// note is what somebody wrote about an alert.
type note struct {
	Time   time.Time `json:"time"`
	Author string    `json:"author"`
	Text   string    `json:"text"`
}

func tokenFromEnvironment() string { return strings.TrimSpace(os.Getenv("TOCSIN_TOKEN")) }

// showAlert writes all of an alert for people.
func showAlert(w io.Writer, a *finding.Alert, told []delivery, notes []note) error {
	var b bytes.Buffer
	width, _ := table.Terminal(w)
	line := func(name, format string, args ...any) {
		if text := table.Printable(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(&b, "%-11s %s\n", name, text)
		}
	}
	process := func(name, indent string, p *finding.Process) {
		text := indent + table.Printable(processText(p))
		if width > 20 {
			text = runewidth.Truncate(text, width-12, "…")
		}
		fmt.Fprintf(&b, "%-11s %s\n", name, text)
	}
	line("Alert", "%s", a.ID)
	line("Rule", "%s — %s", a.Rule.ID, a.Rule.Name)
	line("Severity", "%s", a.Severity)
	status := string(a.Status)
	if a.Reason != "" {
		status += ", " + string(a.Reason)
	}
	if a.Assignee != "" {
		status += ", assigned to " + a.Assignee
	}
	line("Status", "%s", status)
	for _, x := range a.Attack {
		line("ATT&CK", "%s", attackText(x))
	}
	line("Seen", "%s to %s, %s", stamp(a.FirstSeen), stamp(a.LastSeen), plural(int(a.Count), "time"))
	line("What", "%s", a.Message)
	line("Host", "%s", a.Host)
	more := strings.Repeat(" ", 11)
	if c := a.Container; c != nil {
		names, id := strings.Join(nonEmpty(c.Name, c.Image), "  "), strings.Join(nonEmpty(c.Runtime, c.ID), "  ")
		if names == "" { // the runtime did not tell
			line("Container", "%s", id)
		} else {
			line("Container", "%s", names)
			line(more, "%s", id)
		}
		if c.ImageDigest != "" {
			line(more, "image %s", c.ImageDigest)
		}
	}
	if k := a.Kubernetes; k != nil {
		line("Pod", "%s", strings.Join(nonEmpty(k.Namespace, k.PodName, k.PodUID), "/"))
		for _, name := range slices.Sorted(maps.Keys(k.Labels)) {
			line(more, "%s=%s", name, k.Labels[name])
		}
	}
	if p := a.Process; p != nil {
		process("Process", "", p)
		if p.Executable != "" {
			text := "runs " + p.Executable
			if p.Cwd != "" {
				text += " in " + p.Cwd
			}
			if p.StartTime != nil {
				text += " since " + stamp(*p.StartTime)
			}
			line(more, "%s", text)
		}
		line(more, "%s", identityText(p))
		if len(p.Capabilities) > 0 || a.Finding == nil || a.Finding.Source == "tocsin" { // others don't tell
			line(more, "%s", capabilitiesText(p.Capabilities))
		}
		for i := range p.Ancestors {
			name := ""
			if i == 0 {
				name = "Started by"
			}
			process(name, strings.Repeat("  ", i), &p.Ancestors[i])
		}
	}
	for _, s := range a.Suppressed {
		line("Suppressed", "%s %s, %s", s.Kind, s.Name, plural(int(s.Count), "time"))
	}
	for i, d := range told {
		name := ""
		if i == 0 {
			name = "Told"
		}
		text := fmt.Sprintf("%s  %s %s at %s", d.Output, d.Kind, d.Status, stamp(d.Updated))
		if d.Attempts > 1 {
			text += fmt.Sprintf(", %d tries", d.Attempts)
		}
		if d.Error != "" {
			text += ": " + d.Error
		}
		line(name, "%s", text)
	}
	for i, n := range notes {
		name := ""
		if i == 0 {
			name = "Notes"
		}
		line(name, "%s %s: %s", stamp(n.Time), n.Author, n.Text)
	}
	line("Response", "%s", a.Rule.Response)
	for _, x := range a.Rule.FalsePositives {
		line("Harmless if", "%s", x)
	}
	if f := a.Finding; f != nil && len(f.Event) > 0 {
		eventText(&b, f.Event)
	}
	_, err := b.WriteTo(w)
	return err
}

// eventText writes an event's name and arguments.
func eventText(b *bytes.Buffer, doc json.RawMessage) {
	var ev struct {
		Name string `json:"eventName"`
		Args []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"args"`
		Fields map[string]json.RawMessage `json:"output_fields"` // of Falco
	}
	if json.Unmarshal(doc, &ev) != nil {
		return
	}
	if ev.Name == "" {
		ev.Name = jsonText(ev.Fields["evt.type"])
	}
	if ev.Name != "" {
		fmt.Fprintf(b, "%-11s %s\n", "Event", table.Printable(ev.Name))
	}
	for _, name := range slices.Sorted(maps.Keys(ev.Fields)) {
		if v := jsonText(ev.Fields[name]); v != "" && name != "evt.type" {
			fmt.Fprintf(b, "%-11s   %s = %s\n", "", table.Printable(name), table.Printable(v))
		}
	}
	for _, a := range ev.Args {
		fmt.Fprintf(b, "%-11s   %s = %s\n", "", a.Name, table.Printable(jsonText(a.Value)))
	}
}

// jsonText is a text without its quotes, anything else as it is written, and nothing for null.
func jsonText(v json.RawMessage) string {
	var s *string
	if json.Unmarshal(v, &s) != nil {
		return string(v)
	}
	if s == nil {
		return ""
	}
	return *s
}

func processText(p *finding.Process) string {
	what := strings.Join(p.Args, " ")
	if what == "" {
		what = first(p.Executable, p.Name)
	}
	return what + processNote(p)
}

// identityText says whom a process runs as.
func identityText(p *finding.Process) string {
	text := fmt.Sprintf("as %s, uid %d", first(p.User, "a user without a name"), p.UID)
	if p.EUID != p.UID {
		text += fmt.Sprintf(", effective uid %d", p.EUID)
	}
	if p.ExecID != "" {
		text += ", exec id " + p.ExecID
	}
	return text
}

// allCapabilities is how many the oldest kernel has that Tocsin runs on: who has as many has all.
const allCapabilities = 40

func capabilitiesText(list []string) string {
	switch {
	case len(list) == 0:
		return "without capabilities"
	case len(list) >= allCapabilities:
		return "with all capabilities"
	}
	return "with " + strings.Join(list, ", ")
}

// processNote is what stands behind a command line: " (pid 7, root, /bin/sh)".
func processNote(p *finding.Process) string {
	user := p.User
	if user == "" {
		user = fmt.Sprint("uid ", p.UID)
	}
	if p.Executable != "" && len(p.Args) > 0 && p.Args[0] != p.Executable {
		return fmt.Sprintf(" (pid %d, %s, %s)", p.PID, user, p.Executable)
	}
	return fmt.Sprintf(" (pid %d, %s)", p.PID, user)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
