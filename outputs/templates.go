package outputs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

// Templates are a user's own titles and texts of messages: named templates of text/template that get an encode.View.
// "title" and "text" are for all outputs, "soc.title" and "soc.text" for the output soc. What a destination escapes in its
// own markup it escapes in them, too: what a template inserts may come from an attacker. A nil *Templates changes nothing.
// It is safe for concurrent use.
type Templates struct {
	set    *template.Template
	source string
}

// maxTemplated bounds what a template writes, in bytes. Destinations cut further.
const maxTemplated = 16 << 10

var templateFuncs = template.FuncMap{
	"join": func(sep string, list []string) string { return strings.Join(list, sep) }, "upper": strings.ToUpper, "lower": strings.ToLower,
	// json reads what a View carries as JSON, so that its fields can be named: {{(json .Data).path}}.
	"json": func(text json.RawMessage) (v any, err error) {
		if len(text) > 0 {
			err = json.Unmarshal(text, &v)
		}
		return v, err
	},
}

// ReadTemplates reads the files that globs name and tries each message with an alert that has everything, and with one
// that has only what every alert has. The error says which file and line.
func ReadTemplates(globs []string) (*Templates, error) {
	if len(globs) == 0 {
		return nil, nil
	}
	t := &Templates{set: template.New("").Funcs(templateFuncs)}
	for _, glob := range globs {
		files, err := filepath.Glob(glob)
		if err != nil {
			return nil, fmt.Errorf("%s is no pattern of files: %w", glob, err)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("no file matches %s", glob)
		}
		slices.Sort(files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read template: %w", err)
			}
			t.source += string(text) + "\x00"
			if _, err := t.set.New(file).Parse(string(text)); err != nil {
				return nil, err // it begins with "template: FILE:LINE:"
			}
		}
	}
	messages := 0
	for _, x := range t.set.Templates() {
		if part := x.Name()[strings.LastIndexByte(x.Name(), '.')+1:]; x.Tree == nil || (part != "title" && part != "text") {
			continue
		}
		messages++
		for _, v := range sampleViews() {
			if _, err := run(x, &v); err != nil {
				if strings.Contains(err.Error(), "nil pointer") {
					err = fmt.Errorf("%w: not every alert has that; write {{with .Process}}{{.Name}}{{end}}", err)
				}
				return nil, err
			}
		}
	}
	if messages == 0 {
		return nil, errors.New(`no file defines a message: write {{define "text"}}…{{end}}, or "title", or for one output "NAME.text"`)
	}
	return t, nil
}

// Equal reports whether both were read from the same text.
func (t *Templates) Equal(other *Templates) bool {
	if t == nil || other == nil {
		return t == other
	}
	return t.source == other.source
}

// apply puts the user's title and text into the view of a notification to an output. What is empty, or fails, stays as it
// was: a message is never lost for its wording.
func (t *Templates) apply(output string, v *encode.View) error {
	if t == nil {
		return nil
	}
	title, text := v.Title, v.Text // both templates see the original
	var errs []error
	for _, x := range []struct {
		part string
		to   *string
	}{{"title", &title}, {"text", &text}} {
		tmpl := t.set.Lookup(output + "." + x.part)
		if tmpl == nil {
			tmpl = t.set.Lookup(x.part)
		}
		if tmpl == nil {
			continue
		}
		s, err := run(tmpl, v)
		if err != nil {
			errs = append(errs, err)
		} else if s != "" {
			*x.to = s
		}
	}
	v.Title, v.Text = title, text
	return errors.Join(errs...)
}

var errFull = errors.New("template wrote too much")

type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxTemplated - b.Len(); len(p) > room {
		b.Buffer.Write(p[:room])
		return room, errFull
	}
	return b.Buffer.Write(p)
}

func run(t *template.Template, v *encode.View) (string, error) {
	var b bounded
	if err := t.Execute(&b, v); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return strings.TrimSpace(strings.ToValidUTF8(b.String(), "")), nil
}

// sampleViews are an alert that has everything, and one that has as little as an alert can.
func sampleViews() []encode.View {
	now := time.Now()
	rule := finding.Rule{ID: "sample", Name: "Sample"}
	f := finding.Finding{ID: "f-sample", Time: now, Rule: rule, Severity: finding.High, Event: json.RawMessage("{}"), Data: json.RawMessage("{}")}
	f.Attack, _ = finding.ATTACK().Resolve("T1055.008")
	bare := finding.Alert{ID: "a-sample", Status: finding.Open, Rule: rule, FirstSeen: now, LastSeen: now, Count: 1}
	full := bare
	full.Severity, full.Attack, full.Host, full.Cluster, full.Finding = f.Severity, f.Attack, "host", "cluster", &f
	full.Process = &finding.Process{PID: 1, Name: "sh", Executable: "/bin/sh", Args: []string{"sh"}, Ancestors: []finding.Process{{PID: 1}}}
	full.Container = &finding.Container{ID: "0123456789ab", Name: "web", Image: "image"}
	full.Kubernetes = &finding.Kubernetes{Namespace: "shop", PodName: "web-0", Labels: map[string]string{"app": "web"}}
	var views []encode.View
	for _, a := range []*finding.Alert{&full, &bare} {
		views = append(views, encode.NewView(&finding.Notification{ID: "n-sample", Kind: finding.KindAlert, Time: now, Alert: a}, "dev", nil))
	}
	return views
}
