package detect

import (
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	rules, errs := Load(Dir("testdata/rules"), Dir("testdata/hard"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	events := trace(t, 500, 0.1)
	list, err := Explain(rules, events)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Explanation{}
	for _, x := range list {
		seen[x.ID] = x
		for _, e := range x.Events {
			if e.Matches > e.Candidates || e.Candidates > e.Seen || e.Matches > e.Kept {
				t.Errorf("%s, %s: %+v", x.ID, e.Event, e)
			}
			if e.Exact && e.Matches != e.Candidates {
				t.Errorf("%s, %s: exact, but %d of %d candidates match", x.ID, e.Event, e.Matches, e.Candidates)
			}
		}
	}
	x := seen["T-17"]
	if x.Confirm != "plan" || len(x.Events) != 2 {
		t.Fatalf("%+v", x)
	}
	for _, e := range x.Events {
		if e.Event != "security_file_open" {
			continue
		}
		if !e.Exact || e.Seen == 0 || e.Kept >= e.Seen || !strings.Contains(e.Kernel, "pathname startswith") || len(e.Alternatives) != 1 {
			t.Errorf("%+v", e)
		}
	}
	if x := seen["T-12"]; x.Address != "text" {
		t.Errorf("%+v", x)
	}
	if x := seen["H-walking"]; x.Events[0].Exact || len(x.Events[0].LeftOut) == 0 || x.Confirm != "plan" {
		t.Errorf("%+v", x)
	}
}

func TestBench(t *testing.T) {
	rules, _ := Load(Dir("testdata/rules"))
	var got []Cost
	if err := Bench(rules[:3], trace(t, 200, 0.1), time.Millisecond, func(c Cost) { got = append(got, c) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].ID != "" || got[0].Nanos <= 0 {
		t.Errorf("%+v", got)
	}
	if err := Bench(rules, nil, 0, nil); err == nil {
		t.Error("no error without events")
	}
}
