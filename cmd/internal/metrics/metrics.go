// Package metrics makes the registry of a program's metrics.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-io/tocsin/cmd/internal/version"
)

// NewRegistry returns a registry of its own, with the process's and the runtime's metrics, and the version.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	v := version.Get()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tocsin_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go": v.Go},
	})
	build.Set(1)
	// Not those of package collectors: it brings database/sql into the sensor.
	r.MustRegister(prometheus.NewGoCollector(), prometheus.NewProcessCollector(prometheus.ProcessCollectorOpts{}), build) //nolint:staticcheck // see above
	return r
}
