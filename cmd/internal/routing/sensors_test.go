package routing

import (
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
)

func TestSilentSensors(t *testing.T) {
	now := time.Now()
	s := &silence{since: now.Add(-time.Hour), reported: map[string]string{}}
	beats := []bus.Beat{
		{Host: "alive", At: now.Add(-5 * time.Second)},
		{Cluster: "prod", Host: "silent", At: now.Add(-time.Minute)},
		{Host: "stopped", At: now.Add(-time.Second), Stopped: true},
		{Host: "local", At: now.Add(-time.Hour)},
	}
	got := s.look(now, beats, "/local")
	if len(got) != 2 || got[0].Rule.ID != "tocsin_sensor_silent" || got[0].Host != "silent" || got[1].Rule.ID != "tocsin_sensor_stopped" {
		t.Fatalf("%+v", got)
	}
	if again := s.look(now.Add(10*time.Second), beats, "/local"); len(again) != 0 {
		t.Errorf("said again: %+v", again)
	}
}

func TestNobodyIsSilentBeforeNATSWasThere(t *testing.T) {
	now := time.Now()
	s := &silence{since: now.Add(-5 * time.Second), reported: map[string]string{}}
	if got := s.look(now, []bus.Beat{{Host: "web", At: now.Add(-time.Hour)}}, ""); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	// Two routers say it with one id.
	later := now.Add(time.Minute)
	a := s.look(later, []bus.Beat{{Host: "web", At: now.Add(-time.Hour)}}, "")
	other := &silence{since: now.Add(-time.Hour), reported: map[string]string{}}
	b := other.look(later, []bus.Beat{{Host: "web", At: now.Add(-time.Hour)}}, "")
	if len(a) != 1 || len(b) != 1 || a[0].ID != b[0].ID {
		t.Errorf("%+v %+v", a, b)
	}
}
