package deliver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/outputs"
)

// Metrics counts for all outputs. A nil Metrics counts nothing.
type Metrics struct {
	notifications *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	down          *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_output_notifications_total",
			Help: "Notifications by output and result: sent, failed (a try), retried, dead.",
		}, []string{"output", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tocsin_output_send_seconds",
			Help:    "Duration of a try by output and outcome: ok, temporary, permanent.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"output", "outcome"}),
		down: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tocsin_output_down",
			Help: "1 while the destination of an output fails, so that notifications wait in its queue and one is tried now and then.",
		}, []string{"output"}),
	}
	for _, c := range []prometheus.Collector{m.notifications, m.seconds, m.down} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// start makes the counters of an output visible before the first event.
func (m *Metrics) start(output string) {
	for _, r := range []string{"sent", "failed", "retried", "dead"} {
		m.add(output, r, 0)
	}
	m.isDown(output, false)
}

func (m *Metrics) isDown(output string, down bool) {
	if m == nil {
		return
	}
	v := 0.0
	if down {
		v = 1
	}
	m.down.WithLabelValues(output).Set(v)
}

func (m *Metrics) add(output, result string, n int) {
	if m != nil {
		m.notifications.WithLabelValues(output, result).Add(float64(n))
	}
}

func (m *Metrics) took(output string, d time.Duration, err error) {
	if m == nil {
		return
	}
	outcome := "ok"
	if err != nil {
		outcome = "temporary"
		if outputs.IsPermanent(err) {
			outcome = "permanent"
		}
	}
	m.seconds.WithLabelValues(output, outcome).Observe(d.Seconds())
}
