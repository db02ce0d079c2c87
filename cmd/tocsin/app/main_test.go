package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/simulate"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

func TestMain(m *testing.M) {
	simulate.Main()
	testscript.Main(m, map[string]func(){"tocsin": Main})
}

// TestScripts runs the scripts in testdata: each is commands and the files that they work on.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer l.Close()
			e.Setenv("ADDR", l.Addr().String()) // free a moment ago
			e.Setenv("TOCSIN_SERVER", "http://"+l.Addr().String())
			e.Setenv("COLUMNS", "")
			e.Setenv("PATH", os.Getenv("PATH")+":"+e.Getenv("PATH"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "bpf": // may load BPF programs
				return bpf.CheckPrivileges() == nil, nil
			case "runc":
				_, err := exec.LookPath("runc")
				return err == nil, nil
			}
			return false, errors.New("unknown condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready,
			"retry": retry,
			"alert": alert,
		},
	})
}

// ready waits until the API at an address says that everything works: "ready $ADDR".
func ready(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if res, err := http.Get("http://" + args[0] + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s is not ready", args[0])
}

// retry runs a program until it writes something to standard output that is not an empty list: "retry exec tocsin …".
func retry(ts *testscript.TestScript, neg bool, args []string) {
	for range 600 {
		if err := ts.Exec(args[1], args[2:]...); err == nil {
			if out := strings.TrimSpace(ts.ReadFile("stdout")); out != "" && out != "[]" {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%v: nothing came", args[1:])
}

// alert puts the id of the only alert of a rule into $ID: "alert $ADDR RULE".
func alert(ts *testscript.TestScript, neg bool, args []string) {
	res, err := http.Get("http://" + args[0] + "/v1/alerts?rule=" + args[1])
	ts.Check(err)
	defer res.Body.Close()
	var list struct{ Alerts []struct{ ID string } }
	ts.Check(json.NewDecoder(res.Body).Decode(&list))
	if len(list.Alerts) != 1 {
		ts.Fatalf("%d alerts of %s", len(list.Alerts), args[1])
	}
	ts.Setenv("ID", list.Alerts[0].ID)
}

// The reference in docs/ is what the program says.
func TestReference(t *testing.T) {
	app, err := newParser(&cli{}, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeReference(&b, app); err != nil {
		t.Fatal(err)
	}
	const path = "../../../docs/cli.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Error("docs/cli.md is out of date: go test ./cmd/tocsin/app -run TestReference -update")
	}
}

func TestFirstWords(t *testing.T) {
	for in, want := range map[string]string{"rules check <dir>": "rules check", "run": "run", "trace [x]": "trace"} {
		if got := firstWords(in); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestLineRanges(t *testing.T) {
	if got := lineRanges([]int{9, 3, 7, 8, 12}); got != "3, 7-9, 12" {
		t.Error(got)
	}
}

func TestFilterQuery(t *testing.T) {
	for in, want := range map[string]string{
		"severity=high": "severity=high", "severity>=high": "severity=%3E%3Dhigh", "severity=>=high": "severity=%3E%3Dhigh",
		"rule!=x": "rule=%21x", "severity<=low": "severity=%3C%3Dlow",
	} {
		q, err := alertFilter{Match: []string{in}}.query()
		if err != nil || q.Encode() != want {
			t.Errorf("%s: %s %v", in, q.Encode(), err)
		}
	}
	if _, err := (alertFilter{Match: []string{"high"}}).query(); err == nil || !strings.Contains(err.Error(), "FIELD=VALUE") {
		t.Error(err)
	}
}
