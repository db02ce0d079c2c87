package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// BenchmarkBuild measures what the sensor, with all built-in rules, adds to the CPU time of other
// people's work: a build with two jobs at once (Go's compiler on the standard library's encoding/json, from an
// empty cache), alternately with and without a tocsin-sensor process. One iteration is one pair.
func BenchmarkBuild(b *testing.B) {
	harness.NeedRoot(b)
	url := harness.NewNATS(b, "").URL
	dir, addr := b.TempDir(), harness.FreeAddr(b)
	config := filepath.Join(dir, "sensor.yaml")
	text := fmt.Sprintf("version: 1\nhost: e2e\nnats: {url: %s}\ndata_dir: %s/sensor\nsensor: {listen: %s}\n", url, dir, addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var bare, watched, own []float64
	var rss, peak int64
	without := func() { bare = append(bare, build(b).Seconds()) }
	with := func() {
		sensor := &node{harness.Start(b, "tocsin-sensor", "-c", config), "http://" + addr}
		sensor.waitReady(b)
		cpu := sensor.CPU()
		watched = append(watched, build(b).Seconds())
		own = append(own, (sensor.CPU() - cpu).Seconds())
		rss, peak = sensor.Memory()
		if code := sensor.Stop(15 * time.Second); code != 0 {
			b.Fatalf("sensor: exit code %d\n%s", code, sensor.Stderr())
		}
	}
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			without()
			with()
		} else {
			with()
			without()
		}
	}
	base := middle(bare)
	b.ReportMetric(base, "build-cpu-s")
	b.ReportMetric(100*(middle(watched)/base-1), "build-added-%")
	b.ReportMetric(100*middle(own)/base, "sensor-cpu-%")
	b.ReportMetric(float64(rss)/1e6, "sensor-MB")
	b.ReportMetric(float64(peak)/1e6, "sensor-peak-MB")
	b.ReportMetric(0, "ns/op")
	b.Logf("CPU s without %.2f, with %.2f, sensor %.2f", bare, watched, own)
}

// build returns the user and system time of a build, all its processes together.
func build(b *testing.B) time.Duration {
	cache, err := os.MkdirTemp("", "tocsin-build")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(cache)
	cmd := exec.Command("go", "build", "-p=2", "encoding/json")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOFLAGS=") })
	cmd.Env = append(cmd.Env, "GOCACHE="+cache, "GOMAXPROCS=2")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
