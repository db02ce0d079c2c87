package slack

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

// Limits of Block Kit, in characters: https://docs.slack.dev/reference/block-kit/blocks
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxLines   = 40 // alerts that a digest lists
)

var emoji = [...]string{":white_circle:", ":large_blue_circle:", ":large_yellow_circle:", ":large_orange_circle:", ":red_circle:"}

func icon(v *encode.View) string {
	if v.Status == finding.Closed {
		return ":white_check_mark:"
	}
	return emoji[min(int(v.Severity), len(emoji)-1)]
}

// fallback is the text of a notification on a phone.
func fallback(v *encode.View) string {
	return cut(fmt.Sprintf("[%s] %s: %s", v.Severity, escape(v.Title), escape(v.Text)), maxSection)
}

// blocks is a whole message.
func blocks(v *encode.View, mention string) []slackapi.Block {
	head := fmt.Sprintf("%s %s · %s", icon(v), strings.ToUpper(v.Severity.String()), v.Title)
	out := []slackapi.Block{slackapi.NewHeaderBlock(slackapi.NewTextBlockObject(slackapi.PlainTextType, cut(head, maxHeader), true, false))}
	text := escape(v.Text)
	if mention != "" {
		text = mention + " " + text
	}
	out = append(out, section(text))
	if v.Kind == finding.KindDigest {
		out = append(out, digest(v)...)
	} else if fields := fields(v); len(fields) > 0 {
		out = append(out, slackapi.NewSectionBlock(nil, fields, nil))
	}
	if p := v.Process; p != nil && len(p.Args) > 0 {
		out = append(out, section("```"+escape(cut(strings.ReplaceAll(strings.Join(p.Args, " "), "`", "'"), 500))+"```"))
	}
	out = append(out, slackapi.NewContextBlock("", slackapi.NewTextBlockObject(slackapi.MarkdownType, cut(contextLine(v), maxField), false, false)))
	if v.URL != "" {
		b := slackapi.NewButtonBlockElement("open", v.UID, slackapi.NewTextBlockObject(slackapi.PlainTextType, "Open in Tocsin", false, false))
		b.URL = v.URL
		out = append(out, slackapi.NewActionBlock("", b))
	}
	return out
}

// reply is a short message in the alert's thread.
func reply(v *encode.View, mention string) []slackapi.Block {
	var text string
	switch v.Kind {
	case finding.KindReminder:
		text = fmt.Sprintf(":alarm_clock: Nobody has taken this yet: open since %s, %s so far.", when(v.FirstSeen), findings(v.Count))
	case finding.KindClosed:
		text = ":white_check_mark: Closed"
		if v.Reason != "" {
			text += " as " + strings.ReplaceAll(string(v.Reason), "_", " ")
		}
		text += fmt.Sprintf(" after %s.", findings(v.Count))
	default:
		text = fmt.Sprintf("%s %s so far, severity *%s*, last seen %s\n%s", icon(v), findings(v.Count), v.Severity, when(v.LastSeen), escape(v.Text))
	}
	if mention != "" && v.Kind != finding.KindClosed {
		text = mention + " " + text
	}
	return []slackapi.Block{section(text)}
}

func findings(n uint64) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}

func section(text string) slackapi.Block {
	return slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, cut(text, maxSection), false, false), nil, nil)
}

func fields(v *encode.View) []*slackapi.TextBlockObject {
	var out []*slackapi.TextBlockObject
	add := func(name, value string) {
		if value != "" {
			out = append(out, slackapi.NewTextBlockObject(slackapi.MarkdownType, cut("*"+name+"*\n"+value, maxField), false, false))
		}
	}
	host := escape(v.Host)
	if v.Cluster != "" && host != "" {
		host += " (" + escape(v.Cluster) + ")"
	}
	add("Host", host)
	if c := v.Container; c != nil {
		name := c.Name
		if name == "" {
			name = c.ID[:min(len(c.ID), 12)]
		}
		add("Container", strings.TrimSpace(escape(name)+"\n"+escape(c.Image)))
	}
	if k := v.Kubernetes; k != nil && k.PodName != "" {
		add("Pod", escape(k.Namespace+"/"+k.PodName))
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
		add("Process", fmt.Sprintf("`%s` (%d) as %s", escape(strings.ReplaceAll(path, "`", "'")), p.PID, escape(user)))
	}
	var attack []string
	for _, r := range v.Precise() {
		attack = append(attack, fmt.Sprintf("<%s|%s %s>", encode.AttackURL(r.ID), r.ID, escape(r.Name)))
	}
	add("ATT&amp;CK", strings.Join(attack, "\n"))
	if v.Count > 1 {
		add("Findings", fmt.Sprintf("%d since %s", v.Count, when(v.FirstSeen)))
	}
	return out
}

func digest(v *encode.View) []slackapi.Block {
	var lines []string
	for i := range v.Digest {
		if i == maxLines {
			break
		}
		a := &v.Digest[i]
		lines = append(lines, fmt.Sprintf("%s *%s* on %s, %s", emoji[min(int(a.Severity), len(emoji)-1)], escape(cut(a.Rule.Name, 80)), escape(cut(a.Host, 60)), findings(a.Count)))
	}
	if more := uint64(len(v.Digest)-len(lines)) + v.Omitted; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	var out []slackapi.Block
	text := ""
	for _, l := range lines {
		if text != "" && len(text)+len(l) > maxSection-1 {
			out, text = append(out, section(text)), ""
		}
		text += l + "\n"
	}
	if text != "" {
		out = append(out, section(text))
	}
	return out
}

func contextLine(v *encode.View) string {
	parts := []string{"`" + escape(v.Rule.ID) + "`", when(v.LastSeen)}
	if v.Status != finding.Open {
		parts = append(parts, string(v.Status))
	}
	return strings.Join(append(parts, escape(v.Notification.ID)), " · ")
}

// when shows a time in the reader's time zone.
func when(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time_secs}|%s>", t.Unix(), t.UTC().Format(time.RFC3339))
}

// escape keeps text from becoming markup: https://docs.slack.dev/messaging/formatting-message-text#escaping
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// cut shortens to n characters without breaking one.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
