package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// A kill -9 between the finding and its delivery loses nothing, and what is delivered after
// the restart has the id that the tries before it had.
func TestKilledBeforeDelivery(t *testing.T) {
	hook := harness.NewWebhook(t)
	hook.Fail(http.StatusServiceUnavailable)
	s := newSetup(t, "defaults: {retry: {backoff: [200ms]}}\n"+
		everything("  hook: {type: webhook, url: "+hook.URL+"}", "hook"), tutorial(t))
	n := s.run(t)
	c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": socket(t, "docker.sock")}, "connect", "/var/run/docker.sock")
	// The container's start raises alerts of its own: what counts is the one about the connect, once it is published.
	refused := func() (list []harness.Request) {
		for _, r := range hook.Requests() {
			if raised(c.ID)(r) {
				list = append(list, r)
			}
		}
		return list
	}
	harness.Eventually(t, 20*time.Second*harness.Slow(), func() error {
		if len(refused()) == 0 {
			return fmt.Errorf("%w: the webhook was not tried", harness.ErrNotYet)
		}
		return nil
	})
	n.Kill()
	ids := map[string]bool{}
	for _, r := range refused() {
		ids[r.Header.Get("Webhook-Id")] = true
	}
	hook.Respond(nil)
	n = s.run(t)
	for id := range ids {
		// What the dead process had in hand comes again when its time to acknowledge is over.
		hook.Wait(t, 90*time.Second, func(r harness.Request) bool { return r.Header.Get("Webhook-Id") == id })
	}
	// Nothing but repeats of known ids, and the alert is still there, once.
	for _, r := range hook.Accepted() {
		if about(c.ID)(r) && r.Header.Get("Webhook-Id") == "" {
			t.Errorf("a request without webhook-id: %s", r.Body)
		}
	}
	count := 0
	for _, a := range n.alerts(t) {
		if a.Container != nil && a.Container.ID == c.ID && a.Rule.ID == "RMM-1" {
			count++
			if a.Count != 1 {
				t.Errorf("alert counts %d findings, want 1", a.Count)
			}
		}
	}
	if count != 1 {
		t.Errorf("%d alerts after the restart, want 1", count)
	}
}

// A dead destination does not delay another.
func TestDeadOutputDelaysNoOther(t *testing.T) {
	alive := harness.NewWebhook(t)
	hanging := harness.NewWebhook(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hanging.Respond(func(w http.ResponseWriter, r *http.Request) int {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return 0
	})
	s := newSetup(t, everything(fmt.Sprintf(`
  refused: {type: webhook, url: "http://%s/"}
  hanging: {type: webhook, url: %s}
  alive: {type: webhook, url: %s}
`, harness.FreeAddr(t), hanging.URL, alive.URL), "refused", "hanging", "alive"), tutorial(t))
	n := s.run(t)
	path := socket(t, "docker.sock")
	for range 3 {
		c := harness.RunContainer(t, map[string]string{"/var/run/docker.sock": path}, "connect", "/var/run/docker.sock")
		alive.Wait(t, 10*time.Second, about(c.ID))
	}
	if code := n.Stop(20 * time.Second); code != 0 {
		t.Errorf("with a dead and a hanging destination: exit code %d", code)
	}
}
