package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// Falco takes any answer for an end: what it sends while NATS is away, and while the router is killed after its answer, must arrive.
func TestFalcoWhileNATSIsAway(t *testing.T) {
	w := newWorld(t, options{extra: quick})
	post := func(i int) {
		t.Helper()
		body := fmt.Sprintf(`{"priority":"Warning","rule":"Shell in container","time":%q,"output":"a shell %d","output_fields":{"proc.name":"sh"},"hostname":"h","tags":["mitre_execution","T1059"],"uuid":"%d"}`,
			time.Now().UTC().Format(time.RFC3339Nano), i, i)
		resp, err := http.Post("http://"+w.api+"/v1/ingest/falco", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("event %d: %s", i, resp.Status)
		}
	}
	arrived := func(n int) {
		t.Helper()
		harness.Eventually(t, 30*time.Second*harness.Slow(), func() error {
			w.sink.mu.Lock()
			defer w.sink.mu.Unlock()
			if got := len(w.sink.got); got != n {
				return fmt.Errorf("%d of %d arrived", got, n)
			}
			return nil
		})
	}
	for i := range 10 {
		post(i)
	}
	arrived(10)
	w.nats.Stop()
	for i := range 10 {
		post(10 + i)
	}
	w.router.Kill()
	w.nats.Start()
	w.startRouter()
	arrived(20)
}
