package routing

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler is everything that the API's address serves.
func (r *Router) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := r.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.opts.Registry, promhttp.HandlerOpts{}))
	return mux, nil
}
