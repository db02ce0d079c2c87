package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// feed runs records, one JSON object a line, through a summary.
func feed(t *testing.T, lines string) (*summary, *strings.Builder) {
	t.Helper()
	var out strings.Builder
	s := newSummary(&out)
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		s.add(r)
	}
	return s, &out
}

const mixed = `{"Action":"start","Package":"github.com/tocsin-io/tocsin/a"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree/x"}
{"Action":"output","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree/x","Output":"    a_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree/x"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree/y"}
{"Action":"pass","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree/y"}
{"Action":"fail","Package":"github.com/tocsin-io/tocsin/a","Test":"TestTree"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot"}
{"Action":"output","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot","Output":"=== RUN   TestRoot\n"}
{"Action":"output","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot","Output":"    a_test.go:20: needs root\n"}
{"Action":"output","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot","Output":"--- SKIP: TestRoot (0.00s)\n"}
{"Action":"skip","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/a","Test":"TestFine"}
{"Action":"pass","Package":"github.com/tocsin-io/tocsin/a","Test":"TestFine"}
{"Action":"fail","Package":"github.com/tocsin-io/tocsin/a","Elapsed":0.5}
{"ImportPath":"github.com/tocsin-io/tocsin/b","Action":"build-output","Output":"b/b.go:3:1: syntax error\n"}
{"ImportPath":"github.com/tocsin-io/tocsin/b","Action":"build-fail"}
{"Action":"start","Package":"github.com/tocsin-io/tocsin/b"}
{"Action":"fail","Package":"github.com/tocsin-io/tocsin/b","FailedBuild":"github.com/tocsin-io/tocsin/b"}
{"Action":"run","Package":"github.com/tocsin-io/tocsin/c","Test":"TestPanics"}
{"Action":"output","Package":"github.com/tocsin-io/tocsin/c","Test":"TestPanics","Output":"panic: boom\n"}
{"Action":"fail","Package":"github.com/tocsin-io/tocsin/c","Elapsed":0.1}
{"Action":"skip","Package":"github.com/tocsin-io/tocsin/d"}`

func TestSummary(t *testing.T) {
	s, out := feed(t, mixed)
	if !s.finish(false, nil) {
		t.Error("a run with failures passed")
	}
	text := out.String()
	if !strings.HasSuffix(text, "\n2 passed, 3 failed, 1 skipped\n") {
		t.Errorf("last line: %q", text[strings.LastIndex(strings.TrimSpace(text), "\n"):])
	}
	for _, want := range []string{"got 1, want 2", "syntax error", "panic: boom", "needs root\n      a.TestRoot", "  a.TestTree/x\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestSkipsInCI(t *testing.T) {
	const lines = `{"Action":"output","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot","Output":"    a_test.go:20: needs root\n"}
{"Action":"skip","Package":"github.com/tocsin-io/tocsin/a","Test":"TestRoot"}
{"Action":"pass","Package":"github.com/tocsin-io/tocsin/a"}`
	allowed, err := parseAllowed("# comment\n\na\\.TestRoot   no root in this kind of CI\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ci      bool
		allowed []allowance
		failed  bool
	}{{false, nil, false}, {true, nil, true}, {true, allowed, false}} {
		s, out := feed(t, lines)
		if got := s.finish(tt.ci, tt.allowed); got != tt.failed {
			t.Errorf("ci %v, %d allowed: failed %v\n%s", tt.ci, len(tt.allowed), got, out)
		}
		if !strings.HasSuffix(out.String(), "\n0 passed, 0 failed, 1 skipped\n") {
			t.Errorf("summary: %s", out)
		}
	}
	for _, bad := range []string{"a.TestRoot", "a( reason"} {
		if _, err := parseAllowed(bad); err == nil || !strings.Contains(err.Error(), "allowed-skips.txt:1") {
			t.Errorf("parseAllowed(%q): %v, want an error with the line", bad, err)
		}
	}
}
