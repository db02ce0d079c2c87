package sensor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/cmd/internal/self"
	"github.com/tocsin-io/tocsin/cmd/internal/version"
)

const (
	// lossesInARow is how many intervals in a row must lose events before that is a finding: a single burst is counted, and
	// shown by the metrics.
	lossesInARow = 2
	// reportEvery bounds how often one trouble is reported while it lasts.
	reportEvery = 10 * time.Minute
)

// vitals watches how the sensor does, interval by interval.
type vitals struct {
	stats            bpf.Stats
	handled          uint64
	losing, starving int // intervals in a row
	lostAt, starveAt time.Time
}

// trouble is what vitals found.
type trouble struct {
	kind    self.Kind
	message string
	data    any
}

// next compares the counters with those of the interval before, and returns what is to be reported.
func (v *vitals) next(now time.Time, stats bpf.Stats, handled uint64) (found []trouble) {
	lost, data := lossesSince(v.stats, stats)
	v.losing++
	if lost == 0 {
		v.losing = 0
	}
	if v.losing >= lossesInARow && now.Sub(v.lostAt) >= reportEvery {
		v.lostAt = now
		found = append(found, trouble{self.EventsLost, fmt.Sprintf("%d in the last %v", lost, bus.BeatEvery), data})
	}
	v.starving++
	if handled != v.handled || stats.RingUsed == 0 {
		v.starving = 0
	}
	if v.starving >= lossesInARow && now.Sub(v.starveAt) >= reportEvery {
		v.starveAt = now
		found = append(found, trouble{self.Starved, fmt.Sprintf("%d bytes of events wait", stats.RingUsed), nil})
	}
	v.stats, v.handled = stats, handled
	return found
}

// lossesSince returns what was lost in between, by event and cause.
func lossesSince(before, after bpf.Stats) (uint64, map[string]map[string]uint64) {
	total := uint64(0)
	data := map[string]map[string]uint64{}
	add := func(event, cause string, n uint64) {
		if n == 0 {
			return
		}
		if data[event] == nil {
			data[event] = map[string]uint64{}
		}
		data[event][cause] = n
		total += n
	}
	for name, a := range after.Events {
		b := before.Events[name]
		add(name, "ring buffer full", a.LostRing-b.LostRing)
		add(name, "too many at once on one CPU", a.LostScratch-b.LostScratch)
		add(name, "over its control group's budget", a.LostBudget-b.LostBudget)
	}
	add("(unknown)", "malformed record", after.Undecoded-before.Undecoded)
	return total, data
}

// watch gives signs of life and reports trouble until ctx is done.
func (p *Part) watch(ctx context.Context) error {
	started := time.Now()
	v := &vitals{}
	if stats, err := p.kernel.Stats(); err == nil {
		v.stats = stats
	}
	beat := func(ctx context.Context, stopped bool) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		err := p.Bus().Beat(ctx, bus.Beat{
			Cluster: p.Config.Cluster, Host: p.Config.Host, Version: version.Get().Version, Started: started, Stopped: stopped,
			Rules: len(p.sensor.Rules()), Events: p.sensor.handled.Load(), Lost: v.stats.Lost(),
		})
		if err != nil {
			p.Log.Debug("no sign of life given", "error", err)
		}
	}
	beat(ctx, false)
	tick := time.NewTicker(bus.BeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			beat(context.WithoutCancel(ctx), true)
			return nil
		case now := <-tick.C:
			stats, err := p.kernel.Stats()
			if err != nil {
				p.Log.Error("read the kernel's counters", "error", err)
				continue
			}
			for _, t := range v.next(now, stats, p.sensor.handled.Load()) {
				p.Log.Warn(strings.ToLower(t.message), "data", t.data)
				p.sensor.publish(self.Finding(t.kind, p.Config.Cluster, p.Config.Host, now.UTC().Format(time.RFC3339), t.message, t.data))
			}
			beat(ctx, false)
		}
	}
}
