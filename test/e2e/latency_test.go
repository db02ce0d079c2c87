package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// BenchmarkLatency measures the time from just before a system call, connect(2) in a real
// container, until the webhook has the alert. With TOCSIN_REPORT=FILE it writes the result
// there ("make bench-latency" writes docs/latency.md).
func BenchmarkLatency(b *testing.B) {
	const warm, count, pause = 20, 1000, "20ms"
	hook := harness.NewWebhook(b)
	s := newSetup(b, everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"), tutorial(b))
	n := s.run(b)
	path := socket(b, "docker.sock")
	var lat []time.Duration
	cpu := n.CPU()
	start := time.Now()
	for b.Loop() {
		// One container does all connects: starting one takes far longer than what is measured.
		c := harness.RunContainer(b, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock", fmt.Sprint(warm+count), pause)
		if c.Code != 0 {
			b.Fatalf("container: exit %d\n%s", c.Code, c.Output)
		}
		var sent []time.Time
		for _, line := range strings.Fields(c.Output) {
			var ns int64
			if _, err := fmt.Sscan(line, &ns); err != nil {
				b.Fatal(err)
			}
			sent = append(sent, time.Unix(0, ns))
		}
		var got []harness.Request
		harness.Eventually(b, 30*time.Second, func() error {
			got = got[:0]
			for _, r := range hook.Accepted() {
				if about(c.ID)(r) && strings.Contains(string(r.Body), "RMM-1") {
					got = append(got, r)
				}
			}
			if len(got) < len(sent) {
				return fmt.Errorf("%w: %d of %d alerts", harness.ErrNotYet, len(got), len(sent))
			}
			return nil
		})
		lat = append(lat, match(b, sent, got)[warm:]...)
	}
	used, wall := n.CPU()-cpu, time.Since(start)
	slices.Sort(lat)
	at := func(q float64) time.Duration { return lat[min(len(lat)-1, int(q*float64(len(lat))))] }
	b.ReportMetric(float64(at(.5).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(at(.99).Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
	if report := os.Getenv("TOCSIN_REPORT"); report != "" {
		release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
		load, _ := os.ReadFile("/proc/loadavg")
		rss, peak := n.Memory()
		text := fmt.Sprintf(`# From system call to webhook

How long it takes from just before a process in a container calls connect(2) on a Unix socket until
an HTTP receiver on the same host has read the alert. The whole way is in it: the hook in the kernel, the ring buffer, the
rule in Rego, JetStream on disk, the router, the store, the delivery.

| | |
| --- | --- |
| p50 | %.1f ms |
| p90 | %.1f ms |
| p99 | %.1f ms |
| highest | %.1f ms |
| system calls measured | %d, one each %s |
| alerts lost | 0 |
| memory of tocsin run, now / highest | %d / %d MiB |
| CPU of tocsin run | %.1f %% of one core |

Measured on %s: Linux %s, %d CPUs, load average %s (above 1: the machine did other work as well). Written by %s.

What is measured: "tocsin run" with the built-in rules and the tutorial's rule, embedded NATS, SQLite, one webhook,
"group: none". A container started by runc connects %d times; the first %d are not counted. The time before each call is
taken by the caller, the time of arrival by the receiver when it has read the request's body, both from the same clock.
`,
			ms(at(.5)), ms(at(.9)), ms(at(.99)), ms(lat[len(lat)-1]), len(lat), pause, rss>>20, peak>>20,
			100*used.Seconds()/wall.Seconds(), time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(release)), runtime.NumCPU(),
			strings.Join(strings.Fields(string(load))[:1], ""), "`make bench-latency`", warm+count, warm)
		if err := os.WriteFile(filepath.Join(harness.Root(b), report), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// match pairs each call with its alert by the event's own time: the calls are further apart
// than an event's time can be off.
func match(b *testing.B, sent []time.Time, got []harness.Request) (lat []time.Duration) {
	b.Helper()
	arrival := make([]time.Time, len(sent))
	for _, r := range got {
		var n struct {
			Findings []struct {
				Time time.Time `json:"time"`
			} `json:"findings"`
		}
		if err := json.Unmarshal(r.Body, &n); err != nil || len(n.Findings) != 1 {
			b.Fatalf("webhook body: %v\n%s", err, r.Body)
		}
		// The last call before the event.
		i, _ := slices.BinarySearchFunc(sent, n.Findings[0].Time, func(s, at time.Time) int { return s.Compare(at) })
		if i = max(i-1, 0); arrival[i].IsZero() {
			arrival[i] = r.Time
		}
	}
	for i, at := range arrival {
		if at.IsZero() {
			b.Fatalf("call %d at %v has no alert", i, sent[i])
		}
		lat = append(lat, at.Sub(sent[i]))
	}
	return lat
}
