// Package metrics makes the registry of a program's metrics, and serves it.
package metrics

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsin-io/tocsin/cmd/internal/version"
	"github.com/tocsin-io/tocsin/configs/settings"
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

// NewMux answers /healthz and /readyz, which tell nothing but that, and /metrics as Handler does.
func NewMux(ready func() error, r *prometheus.Registry, token settings.Secret, key string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", Handler(r, token, key))
	return mux
}

// Handler serves the metrics to who is on this host, and to others with the token, which key configures.
func Handler(r *prometheus.Registry, token settings.Secret, key string) http.Handler {
	metrics := promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if Local(req) {
			metrics.ServeHTTP(w, req)
			return
		}
		want, err := token.Value()
		if err != nil || want == "" {
			http.Error(w, "metrics are only for this host: configure "+key+" to read them from elsewhere", http.StatusForbidden)
			return
		}
		got, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(got), []byte(strings.TrimSpace(want))) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token of "+key+" is needed: send it as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		metrics.ServeHTTP(w, req)
	})
}

// Local reports whether a request comes from this host.
func Local(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}
