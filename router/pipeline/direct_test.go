package pipeline

import (
	"errors"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/bus"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
)

func directHost(t *testing.T) *host {
	h := &host{t: t, dir: t.TempDir(), config: router.Config{
		Outputs: map[string]router.Output{"siem": {}},
		Routes:  []router.Route{{Name: "evidence", Outputs: []string{"siem"}, Group: &router.Group{None: true}, Never: true}},
	}}
	h.start()
	return h
}

// backlog is what waits in the queue of siem.
func (h *host) backlog() uint64 {
	h.t.Helper()
	n, err := h.bus.Backlogs(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return n["siem"]
}

// pending is how many findings are not acknowledged.
func (h *host) pending() uint64 {
	h.t.Helper()
	n, err := h.bus.FindingsBacklog(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestDirect holds that a finding is acknowledged when its output has taken it and not before, and what becomes of it
// otherwise.
func TestDirect(t *testing.T) {
	h := directHost(t)
	q := h.queue("siem")
	h.publish(sample(1, "r"))
	d := h.next(q)
	if _, ok := d.settler.(*direct); !ok {
		t.Fatalf("it came by the queue: %T", d.settler)
	}
	time.Sleep(3 * storeWithin)
	if n := h.pending(); n != 1 {
		t.Errorf("%d findings wait for their acknowledgement while one is being delivered", n)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the finding is acknowledged", func() bool { return h.pending() == 0 })

	// One that fails waits in the queue, with its count of tries, and no longer in FINDINGS.
	h.publish(sample(2, "r"))
	d = h.next(q)
	id := d.Notification().ID
	if err := d.Retry(300*time.Millisecond, errors.New("down")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the finding is acknowledged", func() bool { return h.pending() == 0 })
	again := h.next(q)
	if _, ok := again.settler.(*bus.Delivery); !ok || again.Notification().ID != id || again.Attempt() != 1 {
		t.Errorf("got %T %s at attempt %d, want %s at 1", again.settler, again.Notification().ID, again.Attempt(), id)
	}
	if err := again.Ack(); err != nil {
		t.Fatal(err)
	}

	// One that will never be taken goes to the dead letters.
	h.publish(sample(3, "r"))
	d = h.next(q)
	if err := d.Dead(errors.New("no")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the finding is acknowledged, and its notification in the store", func() bool {
		dead, err := h.st.DeliveryCounts(t.Context())
		return err == nil && dead["siem"]["dead"] == 1 && h.pending() == 0
	})
}

// TestLaneSpills holds that what an output leaves standing goes into its queue, and that nothing of it is lost or sent twice.
func TestLaneSpills(t *testing.T) {
	h := directHost(t)
	q := h.queue("siem") // nobody reads it
	var list []*finding.Finding
	for i := range 2 * laneLength {
		list = append(list, sample(i, "r"))
	}
	h.publish(list...)
	eventually(t, "all findings are acknowledged", func() bool { return h.pending() == 0 && h.backlog() == 2*laneLength })
	seen := map[string]bool{}
	for range 2 * laneLength {
		d := h.next(q)
		if id := d.Notification().ID; seen[id] {
			t.Errorf("%s comes twice", id)
		} else {
			seen[id] = true
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
	}
}
