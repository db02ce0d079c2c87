package pipeline

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/bus"
)

type metrics struct {
	findings, failures, expired prometheus.Counter
	suppressed                  *prometheus.CounterVec
	queued, deliveries          *prometheus.CounterVec
	batch                       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tocsin", Subsystem: "router", Name: name, Help: help})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tocsin", Subsystem: "router", Name: name, Help: help}, labels)
	}
	m := &metrics{
		findings:   counter("findings_total", "Findings stored."),
		failures:   counter("store_failures_total", "Transactions that failed and are repeated."),
		expired:    counter("expired_total", "Rows deleted because they are older than the retention."),
		suppressed: vec("suppressed_total", "Notifications held back, by reason.", "kind"),
		queued:     vec("notifications_total", "Notifications made.", "output"),
		deliveries: vec("deliveries_total", "Results of tries to deliver.", "output", "result"),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tocsin", Subsystem: "router", Name: "transaction_seconds", Help: "Time to store a batch of findings.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
	}
	if reg != nil {
		reg.MustRegister(m.findings, m.failures, m.expired, m.suppressed, m.queued, m.deliveries, m.batch)
	}
	return m
}

func (m *metrics) suppressedBy(counts map[string]uint64) {
	for kind, n := range counts {
		m.suppressed.WithLabelValues(kind).Add(float64(n))
	}
}

// backlog shows on each scrape what waits: in queues, in the outbox, among the dead letters.
type backlog struct{ p *Pipeline }

var (
	partDesc   = prometheus.NewDesc("tocsin_router_partitions", "Partitions of the findings that this router reads, of 8 that all routers share.", nil, nil)
	waitDesc   = prometheus.NewDesc("tocsin_router_waiting_findings", "Findings in NATS that are not stored yet, or not taken by an output that gets them past its queue.", nil, nil)
	queueDesc  = prometheus.NewDesc("tocsin_router_queue_notifications", "Notifications that wait in the queue of an output.", []string{"output"}, nil)
	storedDesc = prometheus.NewDesc("tocsin_router_stored_notifications", "Notifications in the store: pending (not queued yet), dead (given up).", []string{"output", "status"}, nil)
)

func (b backlog) Describe(c chan<- *prometheus.Desc) {
	c <- partDesc
	c <- waitDesc
	c <- queueDesc
	c <- storedDesc
}

func (b backlog) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if f := b.p.reading.Load(); f != nil {
		c <- prometheus.MustNewConstMetric(partDesc, prometheus.GaugeValue, float64(f.Partitions()))
	}
	waiting, err := b.p.opts.Bus.FindingsBacklog(ctx)
	if err != nil {
		c <- prometheus.NewInvalidMetric(waitDesc, err)
	} else {
		c <- prometheus.MustNewConstMetric(waitDesc, prometheus.GaugeValue, float64(waiting))
	}
	queues, err := b.p.Backlogs(ctx)
	if err != nil {
		c <- prometheus.NewInvalidMetric(queueDesc, err)
	}
	for output, n := range queues {
		c <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(n), output)
	}
	counts, err := b.p.opts.Store.DeliveryCounts(ctx)
	if err != nil {
		c <- prometheus.NewInvalidMetric(storedDesc, err)
	}
	for output, byStatus := range counts {
		for status, n := range byStatus {
			c <- prometheus.MustNewConstMetric(storedDesc, prometheus.GaugeValue, float64(n), output, string(status))
		}
	}
}

// Orphans are outputs that are no longer configured and whose queue is not empty, with how much waits there: drain them,
// or discard them.
func (p *Pipeline) Orphans(ctx context.Context) (map[string]uint64, error) {
	queues, err := p.Backlogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range p.table.Load().Outputs() {
		delete(queues, bus.Token(o))
	}
	for name, n := range queues {
		if n == 0 {
			delete(queues, name)
		}
	}
	return queues, nil
}

// Discard deletes all that waits for an output that is no longer configured. It returns how many notifications.
func (p *Pipeline) Discard(ctx context.Context, output, actor string) (uint64, error) {
	orphans, err := p.Orphans(ctx)
	if err != nil {
		return 0, err
	}
	n := orphans[bus.Token(output)]
	if err := p.opts.Bus.Discard(ctx, output); err != nil {
		return 0, err
	}
	stored, err := p.opts.Store.Forget(ctx, output, actor)
	return max(n, uint64(stored)), err
}
