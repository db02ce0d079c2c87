package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
)

// withMeta is a rule on openat that matches every file, with more in its metadata.
func withMeta(extra string) string {
	r := rego("R", `tracee_selected_events contains {"source": "tracee", "name": "openat"}`, "tracee_match := true")
	return strings.Replace(r, `"properties"`, extra+`, "properties"`, 1)
}

func open(t *testing.T, path string, at time.Duration, pid uint32) *event.Event {
	ev := newEvent(t, "openat", "", args{"pathname": path})
	ev.Timestamp = uint64(1700000000*time.Second + at)
	ev.HostPID = pid
	return ev
}

func TestRate(t *testing.T) {
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": withMeta(`"rate": {"limit": 2, "per": "10s", "key": ["hostProcessId"]}`)})})
	for i := range 5 {
		e.Handle(open(t, "/x", time.Duration(i)*time.Second, 1))
	}
	e.Handle(open(t, "/x", 5*time.Second, 2))
	if len(*got) != 3 || e.Stats()[0].Limited != 3 {
		t.Fatalf("%d findings, %+v", len(*got), e.Stats()[0])
	}
	e.Handle(open(t, "/x", 11*time.Second, 1))
	if f := (*got)[3]; f.Count != 4 {
		t.Errorf("the finding after the window counts %d, want 4", f.Count)
	}
}

func TestThreshold(t *testing.T) {
	e, got := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": withMeta(`"threshold": {"count": 3, "within": "10s", "by": "process"}`)})})
	for i, at := range []time.Duration{0, 1, 20, 21, 22, 23, 24, 25} {
		e.Handle(open(t, "/x", at*time.Second, 1))
		if want := map[int]int{0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1, 7: 2}[i]; len(*got) != want {
			t.Errorf("at %d s: %d findings, want %d", at, len(*got), want)
		}
	}
	e, got = engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": withMeta(`"threshold": {"count": 3, "within": "10s", "distinct": "args.pathname"}`)})})
	for i := range 9 {
		e.Handle(open(t, fmt.Sprintf("/x%d", i%2), time.Duration(i)*time.Second, 1))
	}
	if len(*got) != 0 {
		t.Error("two values are three")
	}
	e.Handle(open(t, "/x9", 9*time.Second, 1))
	if len(*got) != 1 {
		t.Error("three values are not three")
	}
}

func TestStateIsBounded(t *testing.T) {
	e, _ := engine(t, detect.Options{Rules: load(t, map[string]string{"a.rego": withMeta(`"threshold": {"count": 3, "within": "10s", "by": "args.pathname"}, "rate": {"limit": 1, "per": "1h", "key": ["args.pathname"]}`)})})
	for i := range 3 * 4096 {
		e.Handle(open(t, fmt.Sprint(i), time.Duration(i), 1))
	}
	if n := detect.KeysOf(e); n > 2*4096 {
		t.Errorf("%d keys are kept", n)
	}
}

func TestExceptionsAndLists(t *testing.T) {
	files := map[string]string{
		"a.rego": rego("LIST", `tracee_selected_events contains {"source": "tracee", "name": "openat"}`,
			"tracee_match if helpers.get_tracee_argument(\"pathname\") in data.tocsin.lists.secrets"),
		"lists/secrets.yaml": "lists:\n  secrets: [/etc/shadow, /etc/gshadow]\nexceptions:\n- {rule: LIST, match: {args.pathname: [/etc/*], processName: [ssh*, curl]}, reason: it may}\n- {rule: LIST, match: {args.pathname: /etc/gshadow}, reason: over, expires: 2020-01-01}\n",
	}
	mine := map[string]string{"mine.yaml": "lists:\n  secrets: [/root/key]\n"}
	rules, errs := detect.Load(source(files), source(mine))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	e, got := engine(t, detect.Options{Rules: rules})
	e.Handle(open(t, "/etc/shadow", 0, 1)) // excepted: curl
	e.Handle(open(t, "/root/key", 0, 1))
	e.Handle(open(t, "/etc/passwd", 0, 1))
	ev := open(t, "/etc/gshadow", 0, 1)
	ev.SetComm("cat")
	e.Handle(ev)
	if len(*got) != 2 || e.Stats()[0].Excepted != 1 {
		t.Errorf("%d findings, %+v", len(*got), e.Stats()[0])
	}
	mine["mine.yaml"] = "lists:\n  secrets: {replace: [/root/key]}\n"
	rules, _ = detect.Load(source(files), source(mine))
	e, got = engine(t, detect.Options{Rules: rules})
	ev = open(t, "/etc/gshadow", 0, 1)
	ev.SetComm("cat")
	e.Handle(ev)
	if len(*got) != 0 {
		t.Error("the list was not replaced")
	}
	for text, want := range map[string]string{
		"lists:\n  a: [x]\nlits: 1\n":                         "rules/mine.yaml:3",
		"lists:\n  a: {x: 1}\n":                               "rules/mine.yaml:2",
		"exceptions:\n- {rule: NO, match: {a: b}, reason: r}": `exception 1: no rule has the id "NO"`,
		"exceptions:\n- {rule: LIST, match: {}, reason: r}":   "exception 1 has no match",
		"exceptions:\n- {rule: LIST, match: {a: b}}":          "exception 1 has no reason",
	} {
		_, errs := detect.Load(source(files), source(map[string]string{"mine.yaml": text}))
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%q: %v, want %s", text, errs, want)
		}
	}
}

func TestEnabled(t *testing.T) {
	rules := load(t, map[string]string{"a.rego": withMeta(`"enabled": false`)})
	for _, c := range []struct {
		opts detect.Options
		want int
	}{{detect.Options{}, 0}, {detect.Options{Enable: []string{"R"}}, 1}, {detect.Options{Enable: []string{"R"}, Disable: []string{"R"}}, 0}} {
		c.opts.Rules = rules
		if e, _ := engine(t, c.opts); len(e.Rules()) != c.want {
			t.Errorf("%+v: %d rules", c.opts, len(e.Rules()))
		}
	}
}

func TestMemory(t *testing.T) {
	sel := `tracee_selected_events contains {"source": "tracee", "name": "openat"}`
	files := map[string]string{
		"count.rego":    rego("COUNT", sel, "tracee_match := {\"n\": n} if {\n\tn := tocsin.count_within(input.hostProcessId, 10)\n\tn >= 3\n}"),
		"distinct.rego": rego("DISTINCT", sel, "tracee_match if tocsin.distinct_within(\"all\", helpers.get_tracee_argument(\"pathname\"), 10) == 2"),
		"first.rego":    rego("FIRST", sel, "tracee_match if {\n\tstartswith(helpers.get_tracee_argument(\"pathname\"), \"/\")\n\ttocsin.first_seen(input.containerId, helpers.get_tracee_argument(\"pathname\"))\n}"),
	}
	e, got := engine(t, detect.Options{Rules: load(t, files)})
	for i, c := range []struct {
		path string
		at   time.Duration
		want string
	}{{"/a", 0, "FIRST"}, {"/a", 1, ""}, {"/a", 2, "COUNT"}, {"/b", 3, "COUNT DISTINCT FIRST"}, {"/b", 20, ""}, {"/a", 21, "DISTINCT"}, {"x", 40, ""}} {
		*got = nil
		e.Handle(open(t, c.path, c.at*time.Second, 1))
		var ids []string
		for _, f := range *got {
			ids = append(ids, f.Rule.ID)
		}
		if s := strings.Join(ids, " "); s != c.want {
			t.Errorf("event %d: %q, want %q", i, s, c.want)
		}
		if i == 3 {
			if err := e.Replace(load(t, files)); err != nil { // a reload forgets nothing
				t.Fatal(err)
			}
		}
	}
}
