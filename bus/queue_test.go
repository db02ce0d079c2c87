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
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
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

// What was given back untried comes again after its time, and neither that nor that it may have come too early was a try.
func TestGivenBackIsNoTry(t *testing.T) {
	t.Parallel()
	b := connect(t, bus.Options{Server: start(t, embedded.Options{})}, "down")
	body, err := json.Marshal(finding.Notification{ID: "n", Output: "down"})
	must(t, err)
	must(t, b.PublishNotifications(t.Context(), []bus.QueuedNotification{{ID: "n", Output: "down", Body: body}})["down"])
	q, err := b.Deliveries(t.Context(), "down", bus.QueueOptions{})
	must(t, err)
	defer q.Close()
	for round, tried := range []int{0, 0, 0, 1} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		d, err := q.Next(ctx)
		cancel()
		must(t, err)
		if d.Attempt() != tried {
			t.Errorf("round %d: %d tries before, want %d", round, d.Attempt(), tried)
		}
		switch round {
		case 0, 1:
			must(t, d.GiveBack(100*time.Millisecond))
		case 2:
			must(t, d.Retry(100*time.Millisecond, nil))
		default:
			must(t, d.Ack())
		}
	}
}
