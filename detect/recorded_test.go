package detect

import (
	"bufio"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// ordinaryWork is recorded by test/noise: packages, compilers, git, web servers, a database, an administrator, containers.
const ordinaryWork = "../test/noise/testdata/trace.jsonl.gz"

// recorded returns the recorded events of ordinary work.
func recorded(tb testing.TB) []*event.Event { return readEvents(tb, ordinaryWork) }

func readEvents(tb testing.TB, path string) []*event.Event {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			tb.Fatal(err)
		}
	}
	var out []*event.Event
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		ev, err := event.ParseJSON(sc.Bytes())
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, ev)
	}
	if err := sc.Err(); err != nil {
		tb.Fatal(err)
	}
	return out
}

// realistic returns the recorded events that none of the rules matches by itself, and events that match, of each rule in turn.
func realistic(tb testing.TB, rules []Rule) (ordinary, attacks []*event.Event) {
	tb.Helper()
	e, err := New(Options{Rules: rules})
	if err != nil {
		tb.Fatal(err)
	}
	matches := func() (n uint64) {
		for _, s := range e.Stats() {
			n += s.Matches
		}
		return n
	}
	for _, ev := range recorded(tb) {
		before := matches()
		if e.Handle(ev); matches() == before {
			ordinary = append(ordinary, ev)
		}
	}
	err = filepath.WalkDir("../rules", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jsonl") {
			attacks = append(attacks, readEvents(tb, path)...)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ordinary, attacks
}

// mixed puts an attack after every so many ordinary events.
func mixed(ordinary, attacks []*event.Event, every int) []*event.Event {
	var out []*event.Event
	n := 0
	for range every * len(attacks) / len(ordinary) {
		for _, ev := range ordinary {
			if out = append(out, ev); len(out)%every == every-1 {
				out = append(out, attacks[n%len(attacks)])
				n++
			}
		}
	}
	return out
}

// BenchmarkRecorded: the built-in rules on recorded events, by the engine, by hand, and by OPA.
func BenchmarkRecorded(b *testing.B) {
	rules := loadBench(b, "../rules")
	ordinary, attacks := realistic(b, rules)
	disagreements(b, rules, slices.Concat(recorded(b), attacks))
	b.Logf("%d ordinary events, %d attacks", len(ordinary), len(attacks))
	b.Run("matches=0%/engine", func(b *testing.B) { run(b, ordinary, newBenchEngine(b, rules).Handle) })
	events := mixed(ordinary, attacks, 1000)
	b.Run("matches=0.1%/engine", func(b *testing.B) { run(b, events, newBenchEngine(b, rules).Handle) })
	h := newHand(b)
	b.Run("matches=0%/byhand", func(b *testing.B) { run(b, ordinary, h.match) })
	b.Run("matches=0.1%/byhand", func(b *testing.B) { run(b, events, h.match) })
	b.Run("matches=0.1%/opa", func(b *testing.B) { run(b, events[:min(len(events), 2000)], plainOPA(b, rules)) })
	var held Held // as the sensor does
	b.Run("matches=100%/engine", func(b *testing.B) { everyMatch(b, rules, attacks, func(_ *Engine, h Hit) { held.Hold(h) }) })
	// Rules over packets read documents.
	ofPackets := func(ev *event.Event) bool { return strings.HasPrefix(ev.Name(), "net_packet_") }
	for name, leaveOut := range map[string]func(*event.Event) bool{
		"packets": func(ev *event.Event) bool { return !ofPackets(ev) }, "others": ofPackets,
	} {
		some := slices.DeleteFunc(slices.Clone(attacks), leaveOut)
		b.Run("matches=100%/engine/"+name, func(b *testing.B) { everyMatch(b, rules, some, func(_ *Engine, h Hit) { held.Hold(h) }) })
	}
	finding := func(_ *Engine, h Hit) { h.Finding() }
	b.Run("matches=100%/finding", func(b *testing.B) { everyMatch(b, rules, attacks, finding) })
	b.Run("matches=100%/json", func(b *testing.B) { everyMatch(b, rules, attacks, document(b)) })
	b.Run("matches=100%/strangers", func(b *testing.B) {
		everyMatch(b, rules, attacks, func(e *Engine, h Hit) { clear(e.reports.known); h.Finding() })
	})
}

// document makes the finding, and what is sent of it.
func document(tb testing.TB) func(*Engine, Hit) {
	return func(_ *Engine, h Hit) {
		if _, err := finding.Marshal(h.Finding()); err != nil {
			tb.Fatal(err)
		}
	}
}

// everyMatch measures what a match costs, with what is done with it.
func everyMatch(b *testing.B, rules []Rule, attacks []*event.Event, found func(*Engine, Hit)) {
	findings := 0
	var e *Engine
	e, err := New(Options{Rules: rules, Sink: func(h Hit) { findings++; found(e, h) }})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Duration(0)
	n := 0
	run(b, attacks, func(ev *event.Event) {
		if n++; n == len(attacks)+1 {
			start, findings = cpuTime(), 0
		}
		e.Handle(ev)
	})
	b.ReportMetric(float64(cpuTime()-start)/float64(max(findings, 1)), "cpu-ns/finding")
}

// disagreements shows where the matchers by hand are not those of the rules: they are then no baseline.
func disagreements(b *testing.B, rules []Rule, events []*event.Event) {
	b.Helper()
	e, h := newBenchEngine(b, rules), newHand(b)
	before := map[string]uint64{}
	shown := 0
	for _, ev := range events {
		e.Handle(ev)
		h.match(ev)
		var found []string
		for _, s := range e.Stats() {
			if s.Matches != before[s.ID] {
				before[s.ID] = s.Matches
				found = append(found, s.ID)
			}
		}
		slices.Sort(h.hits)
		slices.Sort(found)
		if !slices.Equal(slices.Compact(h.hits), found) {
			if shown++; shown < 10 {
				b.Logf("by hand %q, rules %q: %.300s", h.hits, found, ev.AppendJSON(nil))
			}
		}
	}
	if shown > 0 {
		b.Logf("the matchers by hand differ from the rules on %d of %d events: they are of 104 rules of 2026-11-28", shown, len(events))
	}
}
