package all_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

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
	text := uncommented(t)
	for _, m := range regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(text, -1) {
		t.Setenv(m[1], "x")
	}
	text = regexp.MustCompile(`\$\{file:[^}]*\}`).ReplaceAllString(text, "https://x.example")
	c, err := configs.Parse("tocsin.yaml", []byte(text), outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Outputs) != len(outputs.Specs()) || len(c.Routes) != 4 || len(c.Inhibit) != 1 {
		t.Errorf("%d outputs of %d types, %d routes", len(c.Outputs), len(outputs.Specs()), len(c.Routes))
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

func uncommented(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, section := range []string{"outputs:", "times:", "routes:", "inhibit:"} {
		m := regexp.MustCompile(`(?m)^# ` + section + `\n(#  .*\n)+`).FindString(text)
		if m == "" {
			t.Fatalf("no section %s", section)
		}
		text = strings.Replace(text, m, regexp.MustCompile(`(?m)^# `).ReplaceAllString(m, ""), 1)
	}
	return text
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

var update = flag.Bool("update", false, "write the generated files")

// The manual and the schema are those of the declarations; go generate ./outputs/all writes them.
func TestGenerated(t *testing.T) {
	schema, err := configs.Schema(outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	c := configs.Default()
	common := configs.Output{Retry: c.Defaults.Retry}
	for file, want := range map[string]string{
		"../../docs/outputs.md":            outputs.Reference(settings.Fields(common)),
		"../../configs/tocsin.schema.json": string(schema),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s is not up to date: run go generate ./outputs/all (%v)", file, err)
		}
	}
}

// What Parse takes, the schema takes; and it finds what an editor should show.
func TestSchema(t *testing.T) {
	raw, err := configs.Schema(outputs.Types())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("tocsin.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("tocsin.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = jsonschema.UnmarshalJSON(bytes.NewReader(asJSON)); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	good := []string{
		uncommented(t), "{}", "outputs:\nroutes:\n", `sensor: {builtin: "${env:X}"}`, "routes: [{name: r, group: none, outputs: a}]",
		"defaults: {group: {wait: 0, window: 1w2d}}", "nats: {url: \"nats://x\", max_bytes: 1000000}",
	}
	for _, s := range outputs.Specs() {
		good = append(good, "outputs:\n  "+s.Example)
	}
	for _, text := range good {
		if err := valid(text); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	for _, text := range []string{
		"outputz: {}", "outputs: {a: {type: slak}}", "outputs: {a: {channel: x}}", "outputs: {a: {type: slack, chanel: x}}", "outputs: {a: {type: webhook}}",
		"outputs: {a: {type: syslog, addr: x, format: yaml}}", "defaults: {group: {wait: 5 minutes}}", "routes: [{outputs: [a]}]", "routes: [{name: r, group: some}]",
		"sensor: {ring_buffer: much}", "sensor: {builtin: yes please}", "outputs: {a: {type: slack, timeout: 1y}}",
	} {
		if err := valid(text); err == nil {
			t.Errorf("passes: %s", text)
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
