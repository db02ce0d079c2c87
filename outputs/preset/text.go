package preset

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

// Messages to people are made of the same parts everywhere. What stands in them may come from an attacker: each
// destination escapes it in its own markup, so that it can neither mention people nor hide behind a link.

// Bounds of the parts, in characters. With them every message is within what the chats take: 4,096 characters in
// Telegram, 6,000 in Discord, 28 KB in Teams, 32,000 bytes in Google Chat.
const (
	maxTitle       = 150
	maxText        = 1000
	maxFact        = 300
	maxDigestLines = 15
)

// heading is the first line: what it is about, and how bad it is.
func heading(v *encode.View) string {
	return mark(v) + " " + strings.ToUpper(v.Severity.String()) + " · " + cut(v.Title, maxTitle)
}

var marks = [...]string{"⚪", "🔵", "🟡", "🟠", "🔴"}

func mark(v *encode.View) string {
	if v.Status == finding.Closed {
		return "✅"
	}
	return marks[min(v.Severity, 4)]
}

// colors are those of the marks.
var colors = [...]int{0x9e9e9e, 0x1e88e5, 0xfdd835, 0xfb8c00, 0xe53935}

func color(v *encode.View) int {
	if v.Status == finding.Closed {
		return 0x43a047
	}
	return colors[min(v.Severity, 4)]
}

// story tells what is new: the finding's message, or what became of the alert.
func story(v *encode.View) string {
	text := cut(v.Text, maxText)
	switch v.Kind {
	case finding.KindClosed:
		as := ""
		if v.Reason != "" {
			as = " as " + strings.ReplaceAll(string(v.Reason), "_", " ")
		}
		return "Closed" + as + " after " + findings(v.Count) + ". " + text
	case finding.KindReminder:
		return "Nobody has taken this yet, open since " + when(v.FirstSeen) + ". " + text
	case finding.KindUpdate:
		return findings(v.Count) + " so far. " + text
	}
	return text
}

func findings(n uint64) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// fact is one thing about an alert.
type fact struct{ name, value string }

func facts(v *encode.View) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, cut(value, maxFact)})
		}
	}
	if v.Kind == finding.KindDigest {
		for i := range v.Digest {
			if i == maxDigestLines {
				break
			}
			a := &v.Digest[i]
			add(cut(a.Rule.Name, 80), strings.ToUpper(a.Severity.String())+" on "+cut(a.Host, 60)+", "+findings(a.Count))
		}
		if more := uint64(max(len(v.Digest)-maxDigestLines, 0)) + v.Omitted; more > 0 {
			add("And", fmt.Sprintf("%d more", more))
		}
		return out
	}
	host := v.Host
	if host != "" && v.Cluster != "" {
		host += " (" + v.Cluster + ")"
	}
	add("Host", host)
	if c := v.Container; c != nil {
		name := c.Name
		if name == "" {
			name = c.ID[:min(len(c.ID), 12)]
		}
		if c.Image != "" {
			name += ", " + c.Image
		}
		add("Container", name)
	}
	if k := v.Kubernetes; k != nil && k.PodName != "" {
		add("Pod", k.Namespace+"/"+k.PodName)
	}
	if p := v.Process; p != nil {
		path := p.Executable
		if path == "" {
			path = p.Name
		}
		user := p.User
		if user == "" {
			user = fmt.Sprintf("uid %d", p.UID)
		}
		add("Process", fmt.Sprintf("%s (%d) as %s", path, p.PID, user))
		add("Command line", strings.Join(p.Args, " "))
	}
	var attack []string
	for _, r := range v.Precise() {
		attack = append(attack, r.ID+" "+r.Name)
	}
	add("ATT&CK", strings.Join(attack, ", "))
	if v.Count > 1 {
		add("Findings", fmt.Sprintf("%d since %s", v.Count, when(v.FirstSeen)))
	}
	if v.Status == finding.Acknowledged {
		add("Status", "acknowledged")
	}
	add("Rule", v.Rule.ID)
	return out
}

// cut shortens to n characters without breaking one.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// clean makes one line of a text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// markdown escapes what has a meaning in the Markdown dialects of chats, takes from @ its power to mention, and keeps
// clients from making links by themselves.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(clean(s), "://", ":\u200b//") {
		if strings.ContainsRune("\\`*_[]~|>#", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' {
			b.WriteRune('\u200b')
		}
	}
	return b.String()
}

// html escapes for the few tags of Telegram and Google Chat.
func html(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(clean(s))
}
