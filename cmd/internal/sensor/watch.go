package sensor

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	queue            map[string]uint64 // findings lost, by cause
	losing, starving int               // intervals in a row
	lostAt, starveAt time.Time
	queueAt          time.Time
}

// trouble is what vitals found.
type trouble struct {
	kind    self.Kind
	message string
	data    any
}

// next compares the counters with those of the interval before, and returns what is to be reported.
func (v *vitals) next(now time.Time, stats bpf.Stats, handled uint64, queue map[string]uint64) (found []trouble) {
	lost, data := lossesSince(v.stats, stats)
	v.losing++
	if lost == 0 {
		v.losing = 0
	}
	if v.losing >= lossesInARow && now.Sub(v.lostAt) >= reportEvery {
		v.lostAt = now
		found = append(found, trouble{self.EventsLost, fmt.Sprintf("%d in the last %v, most of them %s", lost, bus.BeatEvery, worst(data)), data})
	}
	// A finding that is lost is lost for good: it is told at once.
	shed, causes := uint64(0), map[string]uint64{}
	for cause, n := range queue {
		if d := n - v.queue[cause]; d > 0 {
			causes[cause], shed = d, shed+d
		}
	}
	if shed > 0 && now.Sub(v.queueAt) >= reportEvery {
		v.queueAt = now
		found = append(found, trouble{self.FindingsLost, fmt.Sprintf("%d in the last %v", shed, bus.BeatEvery), causes})
	}
	v.starving++
	if handled != v.handled || stats.RingUsed == 0 {
		v.starving = 0
	}
	if v.starving >= lossesInARow && now.Sub(v.starveAt) >= reportEvery {
		v.starveAt = now
		found = append(found, trouble{self.Starved, fmt.Sprintf("%d bytes of events wait", stats.RingUsed), nil})
	}
	v.stats, v.handled, v.queue = stats, handled, queue
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
	for cause, n := range after.Unseen {
		add("(packets)", cause, n-before.Unseen[cause])
	}
	for place, n := range after.Missed {
		if was := before.Missed[place]; n > was { // a program that was put back counts anew
			add("(unknown)", "program left out by the kernel: "+place, n-was)
		}
	}
	if n := after.Unscanned - before.Unscanned; n > 0 {
		add("(kernel memory)", fmt.Sprint("not looked through: ", after.ScanError), n)
	}
	return total, data
}

// worst names the event that lost the most, and by which cause: "openat (ring buffer full)".
func worst(lost map[string]map[string]uint64) (name string) {
	most := uint64(0)
	for _, event := range slices.Sorted(maps.Keys(lost)) {
		for cause, n := range lost[event] {
			if n > most {
				name, most = event+" ("+cause+")", n
			}
		}
	}
	return name
}

// findingsLost counts the findings that were lost on their way to NATS, by cause.
func (p *Part) findingsLost() map[string]uint64 {
	out := map[string]uint64{"not taken by the publisher": p.sensor.unsent.Load()}
	for severity, n := range p.spool.Stats().Shed {
		out["spool full, severity "+severity.String()] = n
	}
	return out
}

// lookBack reports that the sensor of this host ended without having been told to: nobody else may have noticed, when it is
// started again at once.
func (p *Part) lookBack(ctx context.Context, started time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	last, err := p.Bus().LastBeat(ctx, p.Config.Cluster, p.Config.Host)
	if err != nil {
		p.Log.Debug("no earlier sign of life found", "error", err)
		return
	}
	if last == nil || last.Stopped {
		return
	}
	at := last.At.UTC().Format(time.RFC3339)
	p.report(trouble{self.Killed, "its last sign of life was at " + at, map[string]any{"last_sign_of_life": at, "was_started": last.Started, "started_again": started, "version": last.Version}}, at)
}

func (p *Part) report(t trouble, seed string) {
	f := self.Finding(t.kind, p.Config.Cluster, p.Config.Host, seed, t.message, t.data)
	p.Log.Warn(f.Message, "rule", f.Rule.ID, "data", t.data)
	p.sensor.publish(f)
}

// guard looks whether somebody has taken the sensor's programs and tables out of the kernel.
func (p *Part) guard(now time.Time) {
	wrong, left := p.kernel.Restore()
	if len(wrong) == 0 {
		return
	}
	data := map[string][]string{"changed": texts(wrong), "not_put_back": texts(left)}
	message := fmt.Sprintf("%s, put back", wrong[0])
	if len(left) > 0 {
		message = fmt.Sprintf("%s, not put back: %s", wrong[0], left[0])
	}
	if len(wrong) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(wrong)-1)
	}
	p.report(trouble{self.Tampered, message, data}, now.UTC().Format(time.RFC3339))
}

func texts(errs []error) []string {
	out := make([]string, len(errs))
	for i, err := range errs {
		out[i] = err.Error()
	}
	return out
}

// watch gives signs of life and reports trouble until ctx is done.
func (p *Part) watch(ctx context.Context) error {
	started := time.Now()
	p.lookBack(ctx, started)
	v := &vitals{queue: p.findingsLost()}
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
			for _, t := range v.next(now, stats, p.sensor.handled.Load(), p.findingsLost()) {
				p.report(t, now.UTC().Format(time.RFC3339))
			}
			p.guard(now)
			beat(ctx, false)
		}
	}
}
