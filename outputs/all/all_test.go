package all_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs"
	_ "github.com/tocsin-io/tocsin/outputs/all"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

const example = "../../configs/tocsin.yaml"

// What the example states is what holds without a file.
func TestExampleHoldsTheDefaults(t *testing.T) {
	c, err := configs.Load(example, outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	d, err := configs.Load("", outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[configs.Config]().NumField() {
		f := reflect.TypeFor[configs.Config]().Field(i)
		if !f.IsExported() {
			continue
		}
		got, want := reflect.ValueOf(c).Elem().Field(i).Interface(), reflect.ValueOf(d).Elem().Field(i).Interface()
		if f.Name == "Sensor" { // empty lists are written out
			s := got.(configs.Sensor)
			s.Rules, s.Enable, s.Disable = nil, nil, nil
			got = s
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the example says %+v, the default is %+v", f.Name, got, want)
		}
	}
}

// Taking the comment signs away gives a file that loads as well.
func TestExampleUncommented(t *testing.T) {
	raw, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"SLACK_TOKEN", "WEBHOOK_SECRET", "DATABASE_URL"} {
		t.Setenv(v, "x")
	}
	text := string(raw)
	for _, section := range []string{"outputs:", "times:", "routes:", "inhibit:"} {
		m := regexp.MustCompile(`(?m)^# ` + section + `\n(#  .*\n)+`).FindString(text)
		if m == "" {
			t.Fatalf("no section %s", section)
		}
		text = strings.Replace(text, m, regexp.MustCompile(`(?m)^# `).ReplaceAllString(m, ""), 1)
	}
	text = strings.ReplaceAll(text, "${file:/run/secrets/pager}", "https://pager.example")
	c, err := configs.Parse("tocsin.yaml", []byte(text), outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Outputs) < 3 || len(c.Routes) != 4 || len(c.Inhibit) != 1 {
		t.Errorf("%d outputs, %d routes", len(c.Outputs), len(c.Routes))
	}
	for name, o := range c.Outputs {
		out, err := outputs.Open(o.Settings, outputs.Env{Name: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A setting that takes a format names formats that there are; a webhook and syslog take all of them.
func TestFormatSettings(t *testing.T) {
	for _, s := range outputs.Specs() {
		for _, f := range settings.Fields(s.New()) {
			if f.Name != "format" {
				continue
			}
			names := slices.DeleteFunc(slices.Clone(f.Enum), func(n string) bool { return n == "text" })
			for _, n := range names {
				if _, err := encode.Lookup(n); err != nil {
					t.Errorf("%s: %v", s.Name, err)
				}
			}
			if (s.Name == "webhook" || s.Name == "syslog") && !slices.Equal(names, encode.Names()) {
				t.Errorf("%s takes %q, there are %q", s.Name, names, encode.Names())
			}
		}
	}
}

// The example of each type loads.
func TestSpecExamples(t *testing.T) {
	for _, s := range outputs.Specs() {
		for _, m := range regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(s.Example, -1) {
			t.Setenv(m[1], "x")
		}
		text := "outputs:\n  " + regexp.MustCompile(`\$\{file:[^}]*\}`).ReplaceAllString(s.Example, "https://x.example")
		c, err := configs.Parse(s.Name, []byte(text), outputs.Types())
		if err != nil {
			t.Error(err)
			continue
		}
		for name, o := range c.Outputs {
			out, err := outputs.Open(o.Settings, outputs.Env{Name: name})
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				continue
			}
			_ = out.Close()
		}
	}
}
