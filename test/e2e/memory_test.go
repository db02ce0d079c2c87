package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// What the sensor's process has in memory when it has settled: with the built-in rules, and, as the baseline, with none.
func BenchmarkSensorMemory(b *testing.B) {
	harness.NeedRoot(b)
	url := harness.NewNATS(b, "").URL
	for _, c := range []struct {
		name    string
		builtin bool
	}{{"no rules", false}, {"built-in rules", true}} {
		b.Run(c.name, func(b *testing.B) {
			dir, addr := b.TempDir(), harness.FreeAddr(b)
			config := filepath.Join(dir, "sensor.yaml")
			text := fmt.Sprintf("version: 1\nnats: {url: %s}\ndata_dir: %s\nsensor: {builtin: %v, listen: %s}\n", url, dir, c.builtin, addr)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			n := &node{harness.Start(b, "tocsin-sensor", "-c", config), "http://" + addr}
			n.waitReady(b)
			time.Sleep(20 * time.Second) // some heartbeats
			now, peak := n.Memory()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(now)/(1<<20), "MiB-RSS")
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
		})
	}
}
