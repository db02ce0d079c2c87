package pipeline

import "github.com/prometheus/client_golang/prometheus"

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
