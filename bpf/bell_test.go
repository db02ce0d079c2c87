package bpf

import (
	"testing"
	"time"
)

// What comes, and rings, after the ring was found empty and before the wait has begun is not left for the next interval.
func TestRungBeforeTheWait(t *testing.T) {
	s := openQuiet(t)
	m := newEmitter(t, s, true)
	quickest := pollInterval // of some waits: others may be late for reasons of the machine's
	for range 10 {
		m.emit(t, 1)
		time.Sleep(time.Millisecond) // the poller hears it
		start := time.Now()
		if err := s.bell.wait(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, time.Since(start))
	}
	if quickest >= pollInterval {
		t.Errorf("an urgent record waited for the whole interval, %v", pollInterval)
	}
}
