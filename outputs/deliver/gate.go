package deliver

import (
	"context"
	"sync"
	"time"
)

// failuresToOpen is how many failures in a row mean that a destination is down.
const failuresToOpen = 5

// gate is the circuit breaker. It stands before the queue rather than before the request, which is why it is not a
// library's: while the destination is down nothing is pulled, and then one message at a time until one is taken.
type gate struct {
	mu       sync.Mutex
	failures int
	opened   int // times in a row
	down     bool
	probing  bool
	until    time.Time
	changed  chan struct{}
}

func (g *gate) init() { g.changed = make(chan struct{}) }

func (g *gate) notify() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// admit blocks while nothing should be pulled.
func (g *gate) admit(ctx context.Context) error {
	for {
		g.mu.Lock()
		if !g.down {
			g.mu.Unlock()
			return ctx.Err()
		}
		wait := time.Until(g.until)
		if wait <= 0 && !g.probing {
			g.probing = true
			g.mu.Unlock()
			return ctx.Err()
		}
		changed := g.changed
		g.mu.Unlock()
		var timer <-chan time.Time
		if wait > 0 {
			t := time.NewTimer(wait)
			timer = t.C
			defer t.Stop()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-timer:
		}
	}
}

// closed reports whether nothing should be sent at the moment.
func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down && !g.probing
}

// trying reports whether a single message is being tried.
func (g *gate) trying() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down && g.probing
}

// succeed reports whether the destination was down before.
func (g *gate) succeed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.opened = 0, 0
	was := g.down
	if was {
		g.down, g.probing, g.until = false, false, time.Time{}
		g.notify()
	}
	return was
}

// fail counts a failure, and reports whether it made the destination one that is down. after is the pause that it asked for, or 0.
func (g *gate) fail(after time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures++
	if after <= 0 && !g.probing && (g.down || g.failures < failuresToOpen) {
		return false // it is known already, or not bad enough
	}
	delay := after
	if after <= 0 {
		delay = jitter(min(time.Second<<min(g.opened, 10), maxOutage))
		g.opened++
	}
	was := g.down
	g.down, g.probing = true, false
	if until := time.Now().Add(delay); until.After(g.until) {
		g.until = until
	}
	g.notify()
	return !was
}

func (g *gate) state() (string, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.down:
		return "ok", time.Time{}
	case g.probing:
		return "trying", time.Time{}
	}
	return "down", g.until
}
