package app

import (
	"net"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/configs"
)

// A stopped sensor still has its listener: the kernel takes connections, and nobody answers.
func TestSensorThatDoesNotAnswer(t *testing.T) {
	defer func(d time.Duration) { scrapeWait = d }(scrapeWait)
	scrapeWait = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &configs.Config{Sensor: configs.Sensor{Listen: l.Addr().String()}}
	if got := checkRunning(t.Context(), cfg); len(got) != 1 || got[0].Verdict != verdictWarning || got[0].Advice == "" {
		t.Errorf("%+v", got)
	}
	l.Close()
	cfg.Sensor.Listen = "127.0.0.1:401" // a number that is no status
	if got := checkRunning(t.Context(), cfg); len(got) != 1 || got[0].Verdict != verdictNone {
		t.Errorf("nobody listens: %+v", got)
	}
}
