package noise

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/detect/ruletest"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/rules"
)

// trace is what ordinary work looks like: JSON lines, compressed. "go test ./test/noise -record" writes it.
const trace = "testdata/trace.jsonl.gz"

// Bounds of the trace, so that it stays small: what differs only in numbers is recorded once, and each program is
// recorded so many times for each event, and an event so many times in all.
const (
	maxOfProgram = 60
	maxOfEvent   = 2500
)

// recorder writes a trace.
type recorder struct {
	file  *os.File
	zip   *gzip.Writer
	first uint32 // pid of the process that does the work: its ancestors are no part of it
	seen  map[string]bool
	count map[string]int
	err   error
}

func newRecorder(path string) (*recorder, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	return &recorder{file: f, zip: zip, seen: map[string]bool{}, count: map[string]int{}}, nil
}

var number = regexp.MustCompile(`[0-9a-f]{8,}|[0-9]+`)

func (r *recorder) add(ev *event.Event) {
	if ev.Process == nil || r.err != nil {
		return
	}
	p := *ev.Process
	if i := slices.IndexFunc(p.Ancestors, func(a *event.Process) bool { return a.PID == r.first }); i >= 0 {
		p.Ancestors = p.Ancestors[:i]
	}
	own := *ev
	own.Process = &p
	line := own.AppendJSON(nil)
	var shape struct {
		Name string          `json:"eventName"`
		Args json.RawMessage `json:"args"`
	}
	if r.err = json.Unmarshal(line, &shape); r.err != nil {
		return
	}
	key := number.ReplaceAllString(shape.Name+" "+ev.Origin().String()+" "+p.Executable+" "+string(shape.Args), "N")
	program := shape.Name + " " + p.Executable
	if r.seen[key] || r.count[program] == maxOfProgram || r.count[shape.Name] == maxOfEvent {
		return
	}
	r.seen[key] = true
	r.count[program]++
	r.count[shape.Name]++
	_, r.err = r.zip.Write(append(line, '\n'))
}

func (r *recorder) close() error {
	for _, err := range []error{r.err, r.zip.Close(), r.file.Close()} {
		if err != nil {
			return fmt.Errorf("record trace: %w", err)
		}
	}
	return nil
}

// everything asks for every occurrence of the events, so that a trace serves rules that do not exist yet.
func everything(list []event.Selection) []event.Selection {
	var out []event.Selection
	for _, s := range list {
		out = append(out, event.Selection{Event: s.Event})
	}
	return out
}

// TestTrace holds the built-in rules against the recorded ordinary work: a rule that raises more than a low alert on it
// needs an exception, or to be more precise. Rules that count events see too few of them here.
func TestTrace(t *testing.T) {
	found, events := replay(t, rules.FS())
	t.Logf("%d events, %d rules find something", events, len(found))
	for id, f := range found {
		if f.Severity > finding.Low {
			t.Errorf("%s (%s) on ordinary work: %s", id, f.Severity, example(f))
		} else {
			t.Logf("%s (%s): %s", id, f.Severity, example(f))
		}
	}
}

// TestTraceIsTelling holds that the trace would show a rule that is too broad: without the exceptions there are such.
func TestTraceIsTelling(t *testing.T) {
	without := fstest.MapFS{}
	err := fs.WalkDir(rules.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "exceptions.yaml") {
			return err
		}
		data, err := fs.ReadFile(rules.FS(), path)
		without[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found, _ := replay(t, without)
	high := 0
	for _, f := range found {
		if f.Severity > finding.Low {
			high++
		}
	}
	if high == 0 {
		t.Error("no rule finds anything without its exceptions")
	}
}

// replay gives the trace to the rules that are on by default. It returns the first finding of each.
func replay(t *testing.T, from fs.FS) (map[string]*finding.Finding, int) {
	t.Helper()
	list, errs := detect.Load(detect.Source{FS: from, Name: "rules"})
	for _, err := range errs {
		t.Fatal(err)
	}
	found := map[string]*finding.Finding{}
	engine, err := detect.New(detect.Options{Rules: list, Sink: func(h detect.Hit) {
		f := h.Finding()
		if found[f.Rule.ID] == nil {
			found[f.Rule.ID] = f
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ruletest.Replay(t.Context(), zip, engine, func(err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	return found, n
}
