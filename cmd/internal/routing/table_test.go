package routing

import (
	"strings"
	"testing"

	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/outputs"
	_ "github.com/tocsin-io/tocsin/outputs/webhook"
)

func parse(t *testing.T, text string) (*configs.Config, error) {
	t.Helper()
	return configs.Parse("tocsin.yaml", []byte(text), outputs.Types())
}

const good = `version: 1
outputs:
  hook: {type: webhook, url: "http://127.0.0.1:9/"}
times:
  office: {days: mon-fri, hours: "09:00-18:00", tz: Europe/Berlin}
routes:
  - {name: page, match: {severity: ">=high", technique: T1611}, outputs: [hook], group: {wait: 0s}, remind: 30m, continue: true}
  - {name: rest, outputs: [hook], during: office, continue: true}
  - {name: all, outputs: [hook], group: none, suppress: never}
inhibit:
  - {name: x, by: {rule: a}, mute: {rule: b, severity: "<=high"}, equal: [host], within: 5m}
`

func TestCompile(t *testing.T) {
	cfg, err := parse(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(cfg); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for was, c := range map[string]struct{ now, want string }{
		"{severity: \">=high\"":   {"{severty: \">=high\"", "tocsin.yaml:7:"},
		"severity: \"<=high\"":    {"severity: \"<=hgh\"", "tocsin.yaml:11:"},
		"outputs: [hook], during": {"outputs: [hok], during", "tocsin.yaml:8:"},
		"days: mon-fri":           {"days: mon-fry", "tocsin.yaml:5:"},
	} {
		cfg, err := parse(t, strings.Replace(good, was, c.now, 1))
		if err == nil {
			_, err = Compile(cfg)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.now, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string]string{
		good: "",
		strings.Replace(good, "technique: T1611", "technique: [T1611, T9999]", 1):                           `tocsin.yaml:7:`,
		strings.Replace(good, "technique: T1611", "technique: '!T9999'", 1):                                 `has no technique "T9999"`,
		strings.Replace(good, "technique: T1611", "technique: escape to host", 1):                           "",
		strings.Replace(good, "technique: T1611", "technique: T16*", 1):                                     "",
		strings.Replace(good, "technique: T1611", "any: [{tactic: executing}]", 1):                          `routes.0.match.any.0.tactic: ATT&CK`,
		strings.Replace(good, "technique: T1611", "any: [{tactic: Execution}]", 1):                          "",
		strings.Replace(good, "severity: \"<=high\"", "technique: shell histry", 1):                         "tocsin.yaml:11:",
		strings.Replace(good, "inhibit:", "  - {name: late, outputs: [hook]}\ninhibit:", 1):                 `routes.3: never reached: route "all"`,
		strings.Replace(good, "  hook:", "  lost: {type: webhook, url: 'http://127.0.0.1:9/'}\n  hook:", 1): "outputs.lost: no route",
	} {
		cfg, err := parse(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(cfg); err != nil {
			t.Errorf("a warning is no error: %v", err)
		}
		var got string
		for _, w := range Warnings(cfg) {
			got += w.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q, want %q, of\n%s", got, want, text)
		}
	}
}

// What is wrong with the defaults is not said again for each route that has them.
func TestDefaultsAreWrongOnce(t *testing.T) {
	cfg, err := parse(t, strings.Replace(good, "times:", "defaults: {group: {by: [hots]}}\ntimes:", 1))
	if err == nil {
		_, err = Compile(cfg)
	}
	if list, ok := err.(configs.Errors); !ok || len(list) != 1 || !strings.Contains(err.Error(), "defaults.group.by") {
		t.Errorf("%v", err)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	text := strings.NewReplacer("technique: T1611", "technqiue: T1611", "days: mon-fri", "days: mon-fry", "severity: \"<=high\"", "severity: \"<=hgh\"",
		"- {name: rest, outputs: [hook]", "- {name: rest, match: {x: y}, outputs: [hook]").Replace(good)
	cfg, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Compile(cfg)
	list, ok := err.(configs.Errors)
	if !ok || len(list) != 4 {
		t.Fatalf("%v", err)
	}
	for i, line := range []int{5, 7, 8, 11} {
		if strings.Contains(list[i].Error(), "].") {
			t.Errorf("error %d says its place twice: %v", i, list[i])
		}
		if list[i].Line != line {
			t.Errorf("error %d is placed at line %d: %v", i, list[i].Line, list[i])
		}
	}
}
