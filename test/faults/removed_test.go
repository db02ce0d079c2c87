package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/test/harness"
)

// An output that is taken out of the configuration does not take what waits for it along.
func TestRemovedOutputWithABacklog(t *testing.T) {
	w := &world{t: t, accepted: map[string]time.Time{}, sink: newSink(t), api: harness.FreeAddr(t)}
	w.nats = harness.NewNATS(t, "")
	dir := t.TempDir()
	config := func(name, outputs, list string) string {
		path := filepath.Join(dir, name)
		text := fmt.Sprintf("version: 1\ndata_dir: %s\nserver: {listen: %s}\nnats: {url: %s}\noutputs:\n%s\nroutes:\n  - {name: all, outputs: [%s], group: none, suppress: never}\n",
			dir, w.api, w.nats.URL, outputs, list)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := harness.NewWebhook(t)
	soc := fmt.Sprintf("  soc: {type: webhook, url: \"http://%s/\"%s}\n", w.sink.addr, quick)
	siem := fmt.Sprintf("  siem: {type: webhook, url: %q}\n", other.URL)
	before := config("before.yaml", soc+siem, "soc, siem")
	now := config("now.yaml", soc+siem, "soc, siem")

	w.config = now
	w.startRouter()
	w.connect(w.nats.URL)
	w.sink.behave(func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(503); return true })
	w.publish(100, time.Second)
	harness.Eventually(t, 20*time.Second, func() error {
		if n := len(other.Accepted()); n < 100 {
			return fmt.Errorf("%d of 100 delivered to the other", n)
		}
		return nil
	})

	// While it runs, the configuration is not taken.
	config("now.yaml", siem, "siem")
	w.router.Signal(syscall.SIGHUP)
	harness.Eventually(t, 20*time.Second, func() error {
		if !strings.Contains(w.router.Stderr(), "100 for soc") {
			return harness.ErrNotYet
		}
		return nil
	})
	resp, err := http.Get("http://" + w.api + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(metrics), "\ntocsin_config_last_reload_successful 0\n") || !strings.Contains(string(metrics), "\ntocsin_config_reload_failures_total 1\n") {
		t.Errorf("the metrics do not show that the configuration was not taken: %v", err)
	}
	w.router.Stop(20 * time.Second)

	// It does not start with it either, until it is told what to do.
	w.launchRouter()
	if code := w.router.Wait(20 * time.Second); code != 1 || !strings.Contains(w.router.Stderr(), "--drain OLD.yaml") {
		t.Fatalf("exit code %d: %s", code, w.router.Stderr())
	}
	w.sink.behave(nil)
	w.router = harness.Start(t, "tocsin-router", "-c", now, "-drain", before)
	w.drain(20 * time.Second)
	if n := w.missing(); n > 0 {
		t.Errorf("%d were not delivered", n)
	}
	harness.Eventually(t, 20*time.Second, func() error {
		waiting, err := w.bus.Backlogs(t.Context())
		if _, there := waiting["soc"]; err != nil || there {
			return fmt.Errorf("the empty queue is still there: %v %w", waiting, err)
		}
		return nil
	})
	w.router.Stop(20 * time.Second)

	// Discarded, it is gone.
	if err := w.bus.Ensure(t.Context(), bus.Streams{Outputs: []string{"gone", "siem"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.bus.PublishNotifications(t.Context(), []bus.QueuedNotification{{ID: "n-1", Output: "gone", Body: []byte("{}")}})["gone"]; err != nil {
		t.Fatal(err)
	}
	w.launchRouter()
	if code := w.router.Wait(20 * time.Second); code != 1 {
		t.Fatalf("it starts with a backlog: exit code %d", code)
	}
	w.router = harness.Start(t, "tocsin-router", "-c", now, "-discard", "gone")
	harness.Eventually(t, 20*time.Second, func() error {
		waiting, err := w.bus.Backlogs(t.Context())
		if _, there := waiting["gone"]; err != nil || there {
			return fmt.Errorf("still there: %v %w", waiting, err)
		}
		return nil
	})
}
