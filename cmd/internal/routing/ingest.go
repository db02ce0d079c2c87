package routing

import (
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/bus"
)

// ingestSpool is where findings that others send wait while NATS is away: Falco does not send again what was refused. A
// router that may not write there does without, and refuses.
func (r *Router) ingestSpool() (*bus.Spool, error) {
	cfg := r.opts.Config
	s, err := bus.OpenSpool(filepath.Join(cfg.DataDir, "ingest"), int64(cfg.Sensor.Spool.Max))
	if err != nil {
		r.log.Warn("findings that others send are refused while NATS is away: they can't be kept under data_dir", "error", err)
		return nil, nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_router_ingest_spool_findings", Help: "Findings of others on disk that wait for NATS.",
	}, func() float64 { return float64(s.Len()) })
	shed := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tocsin_router_ingest_spool_shed_total", Help: "Findings of others dropped from a full spool, the least severe first.",
	}, func() (sum float64) {
		for _, n := range s.Stats().Shed {
			sum += float64(n)
		}
		return sum
	})
	for _, c := range []prometheus.Collector{waiting, shed} {
		if err := r.opts.Registry.Register(c); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}
