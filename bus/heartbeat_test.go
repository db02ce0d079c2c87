package bus_test

import (
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
)

func TestBeats(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Options{Server: start(t, embedded.Options{Dir: t.TempDir()})})
	if got, err := b.Beats(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("%v %v", got, err)
	}
	for _, beat := range []bus.Beat{{Host: "web.1", Events: 1}, {Cluster: "prod", Host: "db", Lost: 2}, {Host: "web.1", Events: 5, Stopped: true}} {
		if err := b.Beat(t.Context(), beat); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Beats(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %v", got, err)
	}
	for _, beat := range got {
		if time.Since(beat.At) > time.Minute {
			t.Errorf("stored at %v", beat.At)
		}
		if beat.Host == "web.1" && (beat.Events != 5 || !beat.Stopped) || beat.Host == "db" && (beat.Cluster != "prod" || beat.Lost != 2) {
			t.Errorf("%+v", beat)
		}
	}
}
