package sensor

import (
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/cmd/internal/self"
)

func TestVitals(t *testing.T) {
	now := time.Now()
	stats := func(lost uint64, used int) bpf.Stats {
		return bpf.Stats{Events: map[string]bpf.EventStats{"openat": {LostRing: lost}}, RingUsed: used}
	}
	v := &vitals{}
	var shed map[string]uint64
	step := func(s bpf.Stats, handled uint64) []trouble {
		now = now.Add(10 * time.Second)
		return v.next(now, s, handled, shed)
	}
	if got := step(stats(5, 0), 1); len(got) != 0 {
		t.Errorf("one burst was reported: %v", got)
	}
	got := step(stats(12, 0), 2)
	if len(got) != 1 || got[0].kind != self.EventsLost || got[0].data.(map[string]map[string]uint64)["openat"]["ring buffer full"] != 7 {
		t.Fatalf("%+v", got)
	}
	if want := "7 in the last 10s, most of them openat (ring buffer full)"; got[0].message != want {
		t.Errorf("%q, want %q", got[0].message, want)
	}
	if got := step(stats(20, 0), 3); len(got) != 0 {
		t.Errorf("reported again at once: %v", got)
	}
	now = now.Add(reportEvery)
	if got := step(stats(30, 0), 4); len(got) != 1 {
		t.Errorf("what lasts is not reported again: %v", got)
	}
	// Packets that cannot be understood are lost as well.
	now = now.Add(reportEvery)
	packets := func(n uint64) bpf.Stats {
		s := stats(30, 0)
		s.Unseen = map[string]uint64{"fragment": n}
		return s
	}
	step(stats(30, 0), 4)
	step(packets(2), 4)
	if got := step(packets(5), 4); len(got) != 1 || got[0].data.(map[string]map[string]uint64)["(packets)"]["fragment"] != 3 {
		t.Errorf("%+v", got)
	}
	step(packets(5), 4)
	// So is what the kernel does not let the sensor see. A program that was put back counts from zero.
	now = now.Add(reportEvery)
	missed := func(n uint64) bpf.Stats {
		s := packets(5)
		s.Missed = map[string]uint64{"sys_exit": n}
		return s
	}
	step(missed(7), 4)
	if got := step(missed(9), 4); len(got) != 1 || got[0].data.(map[string]map[string]uint64)["(unknown)"]["program left out by the kernel: sys_exit"] != 2 {
		t.Errorf("%+v", got)
	}
	if got := step(missed(1), 4); len(got) != 0 || v.losing != 0 {
		t.Errorf("%+v", got)
	}
	// A single finding that is lost is told.
	shed = map[string]uint64{"spool full, severity low": 3}
	if got := step(stats(30, 0), 5); len(got) != 1 || got[0].kind != self.FindingsLost || got[0].data.(map[string]uint64)["spool full, severity low"] != 3 {
		t.Errorf("%+v", got)
	}
	if got := step(stats(30, 0), 6); len(got) != 0 {
		t.Errorf("what was told is told again: %+v", got)
	}
	// Events wait, and none is handled.
	step(stats(30, 100), 6)
	got = step(stats(30, 100), 6)
	if len(got) != 1 || got[0].kind != self.Starved {
		t.Errorf("%+v", got)
	}
	if got := step(stats(30, 0), 6); len(got) != 0 || v.starving != 0 {
		t.Errorf("an idle host: %+v", got)
	}
}
