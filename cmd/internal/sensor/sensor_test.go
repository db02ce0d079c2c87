package sensor

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// replay is a kernel whose events the test provides: attaching needs privileges that a unit test does not have.
type replay struct {
	mu       sync.Mutex
	selected [][]event.Selection
	events   chan *event.Event
}

func (r *replay) Select(s []event.Selection) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.selected = append(r.selected, s)
	return nil
}

func (r *replay) Run(ctx context.Context, f func(*event.Event)) error {
	for {
		select {
		case ev := <-r.events:
			f(ev)
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *replay) Close() error { return nil }

const rule = `package tocsin.ID
__rego_metadoc__ := {"id": "ID", "name": "n", "properties": {"Severity": 3}}
tracee_selected_events[s] { s := {"source": "tracee", "name": "EVENT"} }
tracee_match { input.eventName == "EVENT" }
`

func write(t *testing.T, dir, id, ev string) {
	t.Helper()
	text := strings.NewReplacer("ID", id, "EVENT", ev).Replace(rule)
	if err := os.WriteFile(filepath.Join(dir, id+".rego"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, dir string) (*Sensor, *replay, chan string) {
	k := &replay{events: make(chan *event.Event)}
	found := make(chan string, 10)
	s, err := New(Options{
		Kernel: k, Rules: Rules{Dirs: []string{dir}}, Host: "h", Log: slog.New(slog.DiscardHandler),
		Publish: func(_ context.Context, f *finding.Finding) error { found <- f.Rule.ID; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	return s, k, found
}

func happen(name string) *event.Event { return event.New(event.ByName(name)).Event() }

func expect(t *testing.T, found chan string, want string) {
	t.Helper()
	select {
	case got := <-found:
		if got != want {
			t.Fatalf("found %s, want %s", got, want)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("no finding of %s", want)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "openat")
	s, k, found := start(t, dir)
	k.events <- happen("openat")
	expect(t, found, "one")

	write(t, dir, "two", "ptrace")
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	k.events <- happen("ptrace")
	expect(t, found, "two")
	// While the rules were swapped, both sets' events were selected.
	if n := len(k.selected); n != 3 || len(k.selected[1]) != 2 {
		t.Errorf("selected %+v", k.selected)
	}

	// A bad file: the old set stays, and the file is named.
	if err := os.WriteFile(filepath.Join(dir, "bad.rego"), []byte("package x\nnonsense {"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := s.Reload()
	if err == nil || !strings.Contains(err.Error(), "bad.rego") {
		t.Errorf("%v", err)
	}
	if len(s.Problems()) != 1 || len(s.Rules()) != 2 {
		t.Errorf("problems %v, rules %d", s.Problems(), len(s.Rules()))
	}
	k.events <- happen("openat")
	expect(t, found, "one")
}

// TestReloadInAStream reloads again and again, with files that come, change, are wrong and go, while events never cease: each makes
// one finding.
func TestReloadInAStream(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "openat")
	s, k, found := start(t, dir)
	stop := make(chan struct{})
	sent := make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for {
			select {
			case <-stop:
				return
			case k.events <- happen("openat"):
				n++
			}
		}
	}()
	got := make(chan int)
	go func() {
		n := 0
		for id := range found {
			if id == "" {
				break
			}
			if id == "one" {
				n++
			}
		}
		got <- n
	}()
	for i := range 30 {
		switch i % 4 {
		case 0:
			write(t, dir, "two", "ptrace")
		case 1:
			write(t, dir, "one", "openat") // as it was, but read again
		case 2:
			write(t, dir, "two", "openat")
		case 3:
			if err := os.WriteFile(filepath.Join(dir, "two.rego"), []byte("nonsense"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Reload(); (err != nil) != (i%4 == 3) {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	close(stop)
	want := <-sent
	k.events <- happen("ptrace") // taken when the events before it are done
	time.Sleep(100 * time.Millisecond)
	found <- ""
	if n := <-got; n != want {
		t.Errorf("%d findings of %d events", n, want)
	}
	t.Logf("%d events, 30 reloads", want)
}

func TestBadFileDoesNotStopTheOthers(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "openat")
	if err := os.WriteFile(filepath.Join(dir, "bad.rego"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, k, found := start(t, dir)
	if len(s.Problems()) != 1 {
		t.Errorf("%v", s.Problems())
	}
	k.events <- happen("openat")
	expect(t, found, "one")
}

func TestUnselectedEventsReachNoRule(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "sched_process_exec")
	_, k, found := start(t, dir)
	ev := happen("sched_process_exec")
	ev.Flags |= event.FlagUnselected
	k.events <- ev
	k.events <- happen("openat")
	select {
	case id := <-found:
		t.Errorf("found %s", id)
	default:
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 100)
	w, err := Rules{Dirs: []string{dir}}.Watch(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "one", "openat") // while the program still starts
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func() { changed <- struct{}{} }) }()
	for _, what := range []string{"before it ran", "while it ran"} {
		select {
		case <-changed:
		case <-time.After(60 * time.Second):
			t.Fatalf("a change %s was not seen", what)
		}
		write(t, dir, "one", "ptrace")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDisableAndEnable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "openat")
	write(t, dir, "two", "openat")
	write(t, dir, "off_a", "openat")
	write(t, dir, "off_b", "openat")
	for _, id := range []string{"off_a", "off_b"} {
		path := filepath.Join(dir, id+".rego")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"name":`, `"enabled": false, "name":`, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, errs := Rules{Dirs: []string{dir}, Enable: []string{"off_b"}, Disable: []string{"tw*"}}.Load(new(detect.Loader))
	var ids []string
	for _, r := range list {
		ids = append(ids, r.Metadata().ID)
	}
	slices.Sort(ids)
	if len(errs) > 0 || !slices.Equal(ids, []string{"off_b", "one"}) {
		t.Errorf("%v %v", ids, errs)
	}
	if _, errs := (Rules{Enable: []string{"["}}).Load(new(detect.Loader)); len(errs) != 1 {
		t.Errorf("%v", errs)
	}
}
