package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/bus/embedded"
	"github.com/tocsin-io/tocsin/finding"
)

// A destination that takes nothing for longer than a delivery may be on its way gets each notification once all the same.
func TestWhatWaitsAheadComesOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 s")
	}
	t.Parallel()
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})}, "slow")
	const n = 100
	var list []bus.QueuedNotification
	for i := range n {
		body, err := json.Marshal(finding.Notification{ID: fmt.Sprint("n-", i), Output: "slow"})
		must(t, err)
		list = append(list, bus.QueuedNotification{ID: fmt.Sprint("n-", i), Output: "slow", Body: body})
	}
	must(t, b.PublishNotifications(t.Context(), list)["slow"])
	q, err := b.Deliveries(t.Context(), "slow", bus.QueueOptions{Ahead: 32})
	must(t, err)
	defer q.Close()
	time.Sleep(15 * time.Second)
	seen := map[string]bool{}
	for len(seen) < n {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		d, err := q.Next(ctx)
		cancel()
		must(t, err)
		if id := d.Notification().ID; seen[id] || d.Attempt() != 0 {
			t.Errorf("%s came again, attempt %d", id, d.Attempt())
		}
		seen[d.Notification().ID] = true
		must(t, d.Ack())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d, err := q.Next(ctx); err == nil {
		t.Errorf("%s came again", d.Notification().ID)
	}
}
