package outputs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
	"github.com/tocsin-io/tocsin/outputs/outputtest"
)

func readTemplate(t *testing.T, text string) (*outputs.Templates, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tmpl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return outputs.ReadTemplates([]string{filepath.Join(dir, "*.tmpl")})
}

func TestTemplates(t *testing.T) {
	set, err := readTemplate(t, `
{{define "who"}}{{with .Process}}{{.Name}}{{end}}{{end}}
{{define "title"}}{{upper .Rule.ID}}{{end}}
{{define "soc.text"}}
  {{template "who" .}} did {{(json .Data).path}} in {{with .Container}}{{.Name}}{{end}} ({{range $i, $t := .Techniques}}{{if $i}}, {{end}}{{$t.ID}}{{end}})
{{end}}
{{define "empty.title"}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	n := outputtest.Notification(finding.KindAlert, 0)
	plain := outputs.Env{Name: "soc"}.View(&n)
	for _, tt := range []struct{ output, title, text string }{
		{"soc", "CONTAINER_ESCAPE", "curl did /var/run/docker.sock in web (T1611, T1055)"},
		{"other", "CONTAINER_ESCAPE", plain.Text},
		{"empty", plain.Title, plain.Text},
	} {
		if v := (outputs.Env{Name: tt.output, Templates: set}).View(&n); v.Title != tt.title || v.Text != tt.text {
			t.Errorf("%s: %q, %q", tt.output, v.Title, v.Text)
		}
	}
	for _, kind := range outputtest.Kinds {
		n := outputtest.Notification(kind, 0)
		if v := (outputs.Env{Name: "soc", Templates: set}).View(&n); v.Title == "" || v.Text == "" {
			t.Errorf("%s: %q, %q", kind, v.Title, v.Text)
		}
	}
	if other, _ := readTemplate(t, `{{define "text"}}x{{end}}`); set.Equal(other) || set.Equal(nil) || !set.Equal(set) {
		t.Error("templates of another text are not equal")
	}
}

func TestATemplateIsBounded(t *testing.T) {
	set, err := readTemplate(t, `{{define "text"}}{{range (json .Data)}}{{printf "%01000d" 1}}{{end}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	n := outputtest.Notification(finding.KindFinding, 0)
	n.Findings[0].Data = []byte("[" + strings.Repeat("1,", 1000) + "1]")
	if v := (outputs.Env{Templates: set}).View(&n); len(v.Text) > 16<<10 || len(v.Text) < 15<<10 {
		t.Errorf("%d bytes", len(v.Text))
	}
	n.Findings[0].Data = []byte("{")
	if v := (outputs.Env{Templates: set}).View(&n); v.Text != n.Findings[0].Message {
		t.Errorf("a template that fails leaves the text as it was, not %q", v.Text)
	}
}

func TestBadTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`{{define "text"}}` + "\n{{.Foo":            "a.tmpl:2",
		`{{define "text"}}{{.Foo}}{{end}}`:          "can't evaluate field Foo",
		`{{define "text"}}{{.Process.Name}}{{end}}`: "{{with .Process}}",
		`{{define "txt"}}{{end}}`:                   "no file defines a message",
		`{{define "text"}}{{foo}}{{end}}`:           `function "foo" not defined`,
	} {
		if _, err := readTemplate(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := outputs.ReadTemplates([]string{filepath.Join(t.TempDir(), "*.tmpl")}); err == nil || !strings.Contains(err.Error(), "no file matches") {
		t.Error(err)
	}
}
