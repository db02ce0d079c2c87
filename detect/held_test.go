package detect_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/tocsin-io/tocsin/detect"
	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/finding"
)

// TestHeld: what is made of a hit that was held is what would have been made at once, though the event's memory, and the engine's,
// are used for the next events by then.
func TestHeld(t *testing.T) {
	rules := load(t, map[string]string{"a.rego": tutorial, "b.rego": sunPath})
	var want []string
	held := make([]detect.Held, 8)
	hits := 0
	e, err := detect.New(detect.Options{Rules: rules, Host: "node-1", Sink: func(h detect.Hit) {
		want = append(want, encode(t, h.Finding()))
		held[hits].Hold(h)
		hits++
	}})
	if err != nil {
		t.Fatal(err)
	}
	var b event.Builder
	for round := range 2 { // the second one in the memory of the first
		want, hits = nil, 0
		for _, path := range []string{"/run/docker.sock", "/var/run/docker.sock", "/x/docker.sock"} {
			from := newEvent(t, "security_socket_connect", container, nil)
			b.Reset(from.Def, from)
			if err := b.Set("remote_addr", event.Sockaddr{Family: event.AFUnix, Path: path}); err != nil {
				t.Fatal(err)
			}
			ev := b.Event()
			ev.Container = from.Container
			e.Handle(ev)
		}
		if hits != 6 {
			t.Fatalf("round %d: %d hits, want two of each of three events", round, hits)
		}
		for i := range hits {
			if got := encode(t, held[i].Finding()); got != want[i] {
				t.Errorf("held:\n%s\nat once:\n%s", got, want[i])
			}
		}
	}
}

func encode(t *testing.T, f *finding.Finding) string {
	t.Helper()
	raw, err := finding.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// badData is a rule in Go whose data is no JSON.
type badData struct{}

func (badData) Metadata() *detect.Metadata {
	return &detect.Metadata{ID: "bad_data", Name: "Bad data"}
}
func (badData) Selectors() []detect.Selector { return []detect.Selector{{Name: "ptrace"}} }
func (badData) Match(context.Context, *event.Event) (*detect.Match, error) {
	return &detect.Match{Data: json.RawMessage("{nonsense"), Message: "still said"}, nil
}

// TestBadData: the match counts, without the data, and what is wrong with the rule is a finding of its own.
func TestBadData(t *testing.T) {
	e, got := engine(t, detect.Options{Rules: []detect.Rule{badData{}}})
	e.Handle(newEvent(t, "ptrace", "", nil))
	if len(*got) != 2 || (*got)[0].Rule.ID != detect.RuleErrorID || (*got)[1].Message != "still said" || (*got)[1].Data != nil {
		t.Errorf("%+v", *got)
	}
}
