package sensor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/cmd/internal/confine"
	"github.com/tocsin-io/tocsin/cmd/internal/lifecycle"
	"github.com/tocsin-io/tocsin/cmd/internal/memory"
	"github.com/tocsin-io/tocsin/configs"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/detect/enrich/runtimes"
)

// Part is the sensor as parts of a program. What its methods return is there once the parts have started.
type Part struct {
	Config   *configs.Config
	Builtin  fs.FS           // the built-in rules
	Bus      func() *bus.Bus // connected by an earlier part
	Registry *prometheus.Registry
	Log      *slog.Logger

	watched   *Watch
	sensor    *Sensor
	kernel    *bpf.Sensor
	publisher *bus.Publisher
	spool     *bus.Spool
}

// AddTo adds the sensor's parts to a program.
func (p *Part) AddTo(g *lifecycle.Group) {
	g.Add("publisher", p.publish)
	g.Add("sensor", p.start)
	g.Add("confinement", p.confine)
	g.AddRun("events", func(ctx context.Context) error { return p.sensor.Run(ctx) })
	g.AddRun("signs of life", p.watch)
	g.AddRun("watch of rules", func(ctx context.Context) error {
		return p.watched.Run(ctx, func() { _ = p.sensor.Reload() }) // it has logged why
	})
}

// Sensor is the running sensor.
func (p *Part) Sensor() *Sensor { return p.sensor }

// Kernel is its kernel half.
func (p *Part) Kernel() *bpf.Sensor { return p.kernel }

// Ready says why the sensor does not do its work, or nil.
func (p *Part) Ready() error {
	if p.sensor == nil || !p.sensor.Ready() {
		return errors.New("sensor: not attached")
	}
	if !p.Bus().Connected() {
		return errors.New("sensor: NATS cannot be reached; findings wait")
	}
	return nil
}

func (p *Part) rules() Rules {
	s := p.Config.Sensor
	r := Rules{Dirs: s.Rules, Enable: s.Enable, Disable: s.Disable, Wasm: s.Wasm}
	if s.Builtin {
		r.Builtin = p.Builtin
	}
	return r
}

func (p *Part) publish(context.Context) (lifecycle.Stop, error) {
	c := p.Config.Sensor.Spool
	spool, err := bus.OpenSpool(c.Dir, int64(c.Max))
	if err != nil {
		return nil, err
	}
	p.spool = spool
	p.publisher = p.Bus().NewPublisher(bus.PublisherOptions{Cluster: p.Config.Cluster, Host: p.Config.Host, Spool: spool})
	return func(ctx context.Context) error { return errors.Join(p.publisher.Close(ctx), spool.Close()) }, nil
}

func (p *Part) start(context.Context) (lifecycle.Stop, error) {
	memory.Start()
	// What attaches programs of packets is given up by confine.
	kernel, err := bpf.Open(bpf.Options{RingBytes: int(p.Config.Sensor.RingBuffer), HoldPackets: true})
	if err != nil {
		return nil, err
	}
	p.kernel = kernel
	memory.Settle() // what rules take next does not come on top
	mount, hierarchy := kernel.CgroupHierarchy()
	names, err := runtimes.New(p.runtimes())
	if err != nil {
		return nil, errors.Join(err, kernel.Close())
	}
	if p.watched, err = p.rules().Watch(p.Log); err != nil {
		return nil, errors.Join(err, kernel.Close(), names.Close())
	}
	p.sensor, err = New(Options{
		Kernel: kernel, Rules: p.rules(), Host: p.Config.Host, Cluster: p.Config.Cluster, Publish: p.publisher.Publish,
		Enrich: enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy, Resolve: names, Logger: p.Log}, Log: p.Log,
	})
	if err != nil {
		return nil, errors.Join(err, kernel.Close(), names.Close())
	}
	for _, problem := range p.sensor.Problems() {
		p.Log.Error("rule not loaded", "error", problem)
	}
	if err := p.Registry.Register(&collector{p}); err != nil {
		return nil, errors.Join(err, p.sensor.Close(), names.Close())
	}
	return func(context.Context) error {
		if err := errors.Join(p.sensor.Close(), names.Close()); err != nil {
			return fmt.Errorf("detach: %w", err)
		}
		return nil
	}, nil
}

// runtimes says who is asked for the names of containers and pods.
func (p *Part) runtimes() runtimes.Options {
	c, k := p.Config.Sensor.Container, p.Config.Sensor.Kubernetes
	o := runtimes.Options{CRI: c.CRI, Docker: c.Docker}
	if k.Enabled == "on" || k.Enabled == "auto" && (k.Kubelet != "" || k.URL != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != "") {
		o.Kubernetes = &runtimes.Kubernetes{Node: k.Node, Kubelet: k.Kubelet, URL: k.URL, Token: k.Token, CA: k.CA}
	}
	return o
}

// confine gives up what was only needed to attach. A process that cannot goes on, and says so.
func (p *Part) confine(context.Context) (lifecycle.Stop, error) {
	var st unix.Stat_t
	foreign := unix.Stat(p.Config.DataDir, &st) == nil && int(st.Uid) != os.Geteuid()
	if err := confine.Apply(confine.Options{WriteAnywhere: foreign}); err != nil {
		p.Log.Warn("privileges are not dropped", "error", err)
	}
	memory.Settle()
	return nil, nil
}

// collector shows the sensor's counters as metrics.
type collector struct{ p *Part }

var (
	descEvents    = prometheus.NewDesc("tocsin_sensor_events_total", "Events that a rule wants, by event and what became of them in the kernel.", []string{"event", "result"}, nil)
	descUndecoded = prometheus.NewDesc("tocsin_sensor_undecoded_total", "Records from the kernel that were malformed.", nil, nil)
	descUnscanned = prometheus.NewDesc("tocsin_sensor_scan_errors_total", "Looks through the kernel's memory that ended in an error.", nil, nil)
	descPackets   = prometheus.NewDesc("tocsin_sensor_packets_unseen_total", "Packets that were not looked into, or looked like DNS or HTTP and could not be parsed, by cause.", []string{"cause"}, nil)
	descMissed    = prometheus.NewDesc("tocsin_sensor_calls_left_out_total", "Calls of BPF programs that the kernel left out, as a task was preempted in the same program, by where the program is.", []string{"place"}, nil)
	descRing      = prometheus.NewDesc("tocsin_sensor_ring_bytes", "Bytes in the ring buffer that wait for the reader.", nil, nil)
	descRules     = prometheus.NewDesc("tocsin_sensor_rules", "Rules in force.", nil, nil)
	descBadRules  = prometheus.NewDesc("tocsin_sensor_rule_files_bad", "Rule files that could not be used at the last load.", nil, nil)
	descRule      = prometheus.NewDesc("tocsin_rule_results_total", "What a rule did, by rule and result.", []string{"rule", "result"}, nil)
	descRuleTime  = prometheus.NewDesc("tocsin_rule_seconds_total", "Time spent in confirming a rule.", []string{"rule"}, nil)
	descProcesses = prometheus.NewDesc("tocsin_sensor_processes", "Processes in the process tree.", nil, nil)
	descContainer = prometheus.NewDesc("tocsin_sensor_containers", "Containers known.", nil, nil)
	descEnrich    = prometheus.NewDesc("tocsin_sensor_enrichment_total", "Processes evicted from a full tree, read from /proc, or never known.", []string{"result"}, nil)
	descUnsent    = prometheus.NewDesc("tocsin_sensor_findings_not_taken_total", "Findings that the publisher refused.", nil, nil)
	descSpool     = prometheus.NewDesc("tocsin_sensor_spool_findings", "Findings on disk that wait for NATS.", nil, nil)
	descSpoolSize = prometheus.NewDesc("tocsin_sensor_spool_bytes", "Bytes of the findings on disk that wait for NATS.", nil, nil)
	descShed      = prometheus.NewDesc("tocsin_sensor_spool_shed_total", "Findings dropped from a full spool, by severity.", []string{"severity"}, nil)
	descPublished = prometheus.NewDesc("tocsin_sensor_findings_published_total", "Findings stored by NATS.", nil, nil)
)

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descEvents, descUndecoded, descUnscanned, descPackets, descMissed, descRing, descRules, descBadRules, descRule, descRuleTime, descProcesses, descContainer, descEnrich, descUnsent, descPublished, descSpool, descSpoolSize, descShed} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	if stats, err := c.p.kernel.Stats(); err == nil {
		for name, s := range stats.Events {
			counter(descEvents, float64(s.Emitted), name, "emitted")
			counter(descEvents, float64(s.LostRing), name, "lost_ring_full")
			counter(descEvents, float64(s.LostScratch), name, "lost_no_scratch")
			counter(descEvents, float64(s.LostBudget), name, "lost_over_budget")
		}
		counter(descUndecoded, float64(stats.Undecoded))
		counter(descUnscanned, float64(stats.Unscanned))
		for cause, n := range stats.Unseen {
			counter(descPackets, float64(n), cause)
		}
		for place, n := range stats.Missed {
			counter(descMissed, float64(n), place)
		}
		gauge(descRing, float64(stats.RingUsed))
	}
	s := c.p.sensor
	for _, r := range s.engine.Stats() {
		for result, n := range map[string]uint64{"match": r.Matches, "finding": r.Findings, "error": r.Errors, "timeout": r.Timeouts, "limited": r.Limited, "excepted": r.Excepted} {
			counter(descRule, float64(n), r.ID, result)
		}
		counter(descRuleTime, r.Time.Seconds(), r.ID)
	}
	gauge(descRules, float64(len(s.Rules())))
	gauge(descBadRules, float64(len(s.Problems())))
	e := s.enricher.Stats()
	gauge(descProcesses, float64(e.Processes))
	gauge(descContainer, float64(e.Containers))
	counter(descEnrich, float64(e.Evicted), "evicted")
	counter(descEnrich, float64(e.ProcReads), "read_from_proc")
	counter(descEnrich, float64(e.Unknown), "unknown")
	counter(descUnsent, float64(s.unsent.Load()))
	counter(descPublished, float64(c.p.publisher.Stats().Published))
	sp := c.p.spool.Stats()
	gauge(descSpool, float64(sp.Findings))
	gauge(descSpoolSize, float64(sp.Bytes))
	for severity, n := range sp.Shed {
		counter(descShed, float64(n), severity.String())
	}
}
