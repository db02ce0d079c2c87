package routing

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/cmd/internal/self"
	"github.com/tocsin-io/tocsin/finding"
)

// silentAfter is how long a sensor may give no sign of life.
const silentAfter = 4 * bus.BeatEvery

// silence finds sensors that gave no sign of life.
type silence struct {
	since    time.Time         // when NATS was reached: before that nobody could give a sign
	reported map[string]string // sensor → what was said of it
}

// look returns what is to be said of the sensors now. local is the sensor of this process, which ends with it.
func (s *silence) look(now time.Time, beats []bus.Beat, local string) []*finding.Finding {
	var out []*finding.Finding
	for _, b := range beats {
		name := b.Cluster + "/" + b.Host
		if name == local {
			continue
		}
		at := b.At.UTC().Format(time.RFC3339Nano)
		var f *finding.Finding
		switch {
		case b.Stopped:
			f = self.Finding(self.Stopped, b.Cluster, b.Host, at, "on "+b.Host, nil)
		case now.Sub(b.At) > silentAfter && now.Sub(s.since) > silentAfter:
			f = self.Finding(self.Silent, b.Cluster, b.Host, at, fmt.Sprintf("on %s, last sign of life at %s", b.Host, b.At.UTC().Format(time.RFC3339)), nil)
		}
		if f == nil {
			delete(s.reported, name)
		} else if s.reported[name] != f.ID {
			s.reported[name] = f.ID
			out = append(out, f)
		}
	}
	return out
}

// watchSensors reports sensors that went silent or were stopped.
func (r *Router) watchSensors(ctx context.Context) error {
	s := &silence{since: time.Now(), reported: map[string]string{}}
	tick := time.NewTicker(bus.BeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if !r.bus.Connected() {
				s.since = now
				continue
			}
			beats, err := r.bus.Beats(ctx)
			if err != nil {
				r.log.Warn("sensors' signs of life", "error", err)
				s.since = now
				continue
			}
			for _, f := range s.look(now, beats, r.LocalSensor) {
				if err := r.ingest.Publish(ctx, f); err != nil {
					r.log.Error("finding not taken", "rule", f.Rule.ID, "error", err)
				}
			}
		}
	}
}
