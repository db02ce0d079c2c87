package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tocsin-io/tocsin/configs"
)

// lossCauses are the results of tocsin_sensor_events_total that are losses, as people read them.
var lossCauses = map[string]string{
	"lost_ring_full": "ring buffer full", "lost_no_scratch": "too many at once on one CPU", "lost_over_budget": "over its control group's budget",
}

var errTokenWanted = errors.New("metrics want a token")

// scrapeWait is how long a running sensor may take to give its metrics.
var scrapeWait = 3 * time.Second

// checkRunning asks the sensor of this host, when one runs, what it has lost since it started.
func checkRunning(ctx context.Context, cfg *configs.Config) []check {
	var addrs []string
	for _, a := range []string{cfg.Server.Metrics, cfg.Server.Listen, cfg.Sensor.Listen} {
		if a != "" && a != "off" {
			addrs = append(addrs, a)
		}
	}
	refused, mute := false, ""
	for _, addr := range addrs {
		m, err := scrape(ctx, addr)
		if err != nil {
			refused = refused || errors.Is(err, errTokenWanted)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				mute = addr
			}
			continue
		}
		if m["tocsin_sensor_rules"] == nil {
			continue // a router without a sensor
		}
		return append([]check{{"running sensor", verdictOK, fmt.Sprintf("at %s, %s", addr, plural(int(total(m["tocsin_sensor_rules"])), "rule")), ""}}, losses(m)...)
	}
	detail := "none answers at " + strings.Join(addrs, " or ")
	if refused {
		return []check{{"running sensor", verdictWarning, "its metrics want a token", "set TOCSIN_TOKEN to see what it has lost"}}
	}
	if mute != "" {
		return []check{{"running sensor", verdictWarning, "what listens at " + mute + " does not answer", "it may have been stopped (SIGSTOP), or get no CPU: look at its process"}}
	}
	return []check{{"running sensor", verdictNone, detail, ""}}
}

func scrape(ctx context.Context, addr string) (map[string]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	if token := os.Getenv("TOCSIN_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, errTokenWanted
	default:
		return nil, fmt.Errorf("%s: %s", addr, resp.Status)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	return p.TextToMetricFamilies(io.LimitReader(resp.Body, 16<<20))
}

// losses says what the metrics tell of events and findings that were lost.
func losses(m map[string]*dto.MetricFamily) []check {
	events := check{Name: "events lost", Verdict: verdictOK}
	var seen float64
	var lost []string
	for _, x := range m["tocsin_sensor_events_total"].GetMetric() {
		label := map[string]string{}
		for _, l := range x.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		n := value(x)
		seen += n
		if cause := lossCauses[label["result"]]; cause != "" && n > 0 {
			lost = append(lost, fmt.Sprintf("%s %.0f (%s)", label["event"], n, cause))
		}
	}
	slices.Sort(lost)
	if n := total(m["tocsin_sensor_undecoded_total"]); n > 0 {
		lost = append(lost, fmt.Sprintf("%.0f malformed records", n))
	}
	if n := total(m["tocsin_sensor_scan_errors_total"]); n > 0 {
		lost = append(lost, fmt.Sprintf("%.0f looks through the kernel's memory failed", n))
	}
	events.Detail = fmt.Sprintf("none of %.0f since the sensor started", seen)
	if len(lost) > 0 {
		events.Verdict, events.Detail = verdictWarning, fmt.Sprintf("of %.0f since the sensor started: %s", seen, strings.Join(lost, ", "))
		events.Advice = "look for a process that floods the host; else give sensor.ring_buffer more room, or the sensor more CPU"
	}
	packets := check{Name: "packets not understood", Verdict: verdictOK, Detail: "none"}
	if causes := counted(m["tocsin_sensor_packets_unseen_total"]); causes != "" {
		packets.Verdict, packets.Detail = verdictWarning, causes
		packets.Advice = "lookups and HTTP requests among them were not seen"
	}
	calls := check{Name: "program calls left out", Verdict: verdictOK, Detail: "none"}
	if places := counted(m["tocsin_sensor_calls_left_out_total"]); places != "" {
		calls.Verdict, calls.Detail = verdictWarning, places
		calls.Advice = "the kernel calls no program that it has preempted on that CPU: events among them were not seen"
	}
	findings := check{Name: "findings lost", Verdict: verdictOK, Detail: "none"}
	shed, refused := total(m["tocsin_sensor_spool_shed_total"]), total(m["tocsin_sensor_findings_not_taken_total"])
	if shed+refused > 0 {
		findings.Verdict, findings.Detail = verdictWarning, fmt.Sprintf("%.0f dropped from a full spool, %.0f not taken by the publisher", shed, refused)
		findings.Advice = "see whether NATS can be reached; give sensor.spool.max more room"
	}
	if waiting := total(m["tocsin_sensor_spool_findings"]); waiting > 0 {
		findings.Detail += fmt.Sprintf("; %.0f wait on disk for NATS", waiting)
	}
	return []check{events, packets, calls, findings}
}

// counted lists what a metric with one label counts.
func counted(f *dto.MetricFamily) string {
	var out []string
	for _, x := range f.GetMetric() {
		if n := value(x); n > 0 {
			out = append(out, fmt.Sprintf("%.0f (%s)", n, x.GetLabel()[0].GetValue()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func total(f *dto.MetricFamily) (sum float64) {
	for _, x := range f.GetMetric() {
		sum += value(x)
	}
	return sum
}

func value(m *dto.Metric) float64 { return m.GetCounter().GetValue() + m.GetGauge().GetValue() }
