package outputtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/outputs"
)

// Behaviour is how a receiver answers.
type Behaviour string

const (
	OK         Behaviour = "ok"
	Temporary  Behaviour = "temporary"   // an answer that may be another later: 503, a closed connection
	Permanent  Behaviour = "permanent"   // an answer that will be the same: 400
	RetryAfter Behaviour = "retry-after" // 429 with Retry-After: 7
	Hang       Behaviour = "hang"        // no answer
	Slow       Behaviour = "slow"        // the right answer after 200 ms
)

// Target is a real receiver on a loopback listener, and the settings that point to it.
type Target struct {
	Settings outputs.Settings
	Behave   func(Behaviour)
	// Received gives the ids, as the receiver can tell them, of what it has taken, in order, repeats included.
	Received func() []string
	// Refused are settings that point to a port where nobody listens.
	Refused outputs.Settings
	// Secrets are texts that must occur in no error and no log line.
	Secrets []string
	// Lacks names the behaviours that the protocol does not have.
	Lacks []Behaviour
	// Late says that the protocol has no answers, so that arrival shows only after a while.
	Late bool
}

// Run runs the suite. start opens a new receiver for each test.
func Run(t *testing.T, start func(t *testing.T) *Target) {
	for _, test := range []struct {
		name string
		need Behaviour
		run  func(*testing.T, *probe)
	}{
		{"every kind arrives", OK, everyKind},
		{"the id stays over retries", OK, sameID},
		{"concurrent sends arrive", OK, concurrent},
		{"a temporary failure is temporary", Temporary, temporary},
		{"a permanent failure is permanent", Permanent, permanent},
		{"Retry-After is passed on", RetryAfter, retryAfter},
		{"a hanging receiver ends with the context", Hang, hang},
		{"a slow receiver is waited for", Slow, slow},
		{"a refused connection is temporary", OK, refused},
		{"a cancelled context sends nothing", OK, cancelled},
		{"Close is idempotent and final", OK, closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &probe{t: t, target: start(t)}
			for _, l := range p.target.Lacks {
				if l == test.need {
					t.Skipf("the protocol has no %s answer", l)
				}
			}
			p.log = slog.New(slog.NewTextHandler(&p.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
			test.run(t, p)
			p.noSecrets(p.lines.String())
		})
	}
}

type probe struct {
	t      *testing.T
	target *Target
	log    *slog.Logger
	lines  lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (p *probe) open(s outputs.Settings) outputs.Output {
	p.t.Helper()
	if err := s.Validate(); err != nil {
		p.t.Fatalf("validate settings: %v", err)
	}
	out, err := outputs.Open(s, outputs.Env{Name: "out", Log: p.log, Version: "1.0.0", ExternalURL: "https://tocsin.example"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = out.Close() })
	return out
}

func (p *probe) send(out outputs.Output, ns ...finding.Notification) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	err := out.Send(ctx, ns)
	if err != nil {
		p.noSecrets(err.Error())
		p.noSecrets(fmt.Sprintf("%+v %#v", err, errors.Unwrap(err)))
	}
	return err
}

func (p *probe) noSecrets(text string) {
	p.t.Helper()
	for _, s := range p.target.Secrets {
		if s != "" && strings.Contains(text, s) {
			p.t.Errorf("a secret is shown: %s", text)
		}
	}
}

func (p *probe) received(want int) []string {
	p.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		got := p.target.Received()
		if len(got) >= want || time.Now().After(deadline) {
			if len(got) != want {
				p.t.Fatalf("received %d, want %d: %q", len(got), want, got)
			}
			return got
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func everyKind(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	for i, kind := range Kinds {
		if err := p.send(out, Notification(kind, i)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		p.received(i + 1)
	}
}

func sameID(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	n := Notification(finding.KindAlert, 1)
	for range 2 {
		if err := p.send(out, n); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.received(2); got[0] != got[1] || got[0] == "" {
		t.Errorf("ids %q differ", got)
	}
}

func concurrent(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	const n = 20
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- p.send(out, Notification(finding.KindFinding, i)) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	for _, id := range p.received(n) {
		seen[id] = true
	}
	if len(seen) != n {
		t.Errorf("%d different ids of %d", len(seen), n)
	}
}

func temporary(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	p.target.Behave(Temporary)
	var err error
	for range 20 { // a protocol without answers notices only on a later write
		if err = p.send(out, Notification(finding.KindAlert, 1)); err != nil || !p.target.Late {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err == nil || outputs.IsPermanent(err) {
		t.Fatalf("got %v, want a temporary error", err)
	}
	p.target.Behave(OK)
	before := len(p.target.Received())
	if err := p.send(out, Notification(finding.KindAlert, 1)); err != nil {
		t.Fatalf("after recovery: %v", err)
	}
	p.received(before + 1)
}

func permanent(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	p.target.Behave(Permanent)
	if err := p.send(out, Notification(finding.KindAlert, 1)); !outputs.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func retryAfter(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	p.target.Behave(RetryAfter)
	err := p.send(out, Notification(finding.KindAlert, 1))
	var r *outputs.RetryAfterError
	if !errors.As(err, &r) || r.After != 7*time.Second || outputs.IsPermanent(err) {
		t.Errorf("got %v, want a pause of 7s", err)
	}
}

func hang(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	p.target.Behave(Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := out.Send(ctx, []finding.Notification{Notification(finding.KindAlert, 1)})
	if err == nil || outputs.IsPermanent(err) {
		t.Errorf("got %v, want a temporary error", err)
	} else {
		p.noSecrets(err.Error())
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %s", d)
	}
}

func slow(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	p.target.Behave(Slow)
	if err := p.send(out, Notification(finding.KindAlert, 1)); err != nil {
		t.Error(err)
	}
	p.received(1)
}

func refused(t *testing.T, p *probe) {
	if p.target.Refused == nil {
		t.Skip("the protocol knows no connections")
	}
	out := p.open(p.target.Refused)
	if err := p.send(out, Notification(finding.KindAlert, 1)); err == nil || outputs.IsPermanent(err) {
		t.Errorf("got %v, want a temporary error", err)
	}
}

func cancelled(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := out.Send(ctx, []finding.Notification{Notification(finding.KindAlert, 1)}); err == nil || outputs.IsPermanent(err) {
		t.Errorf("got %v, want a temporary error", err)
	}
}

func closed(t *testing.T, p *probe) {
	out := p.open(p.target.Settings)
	if err := p.send(out, Notification(finding.KindAlert, 1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := p.send(out, Notification(finding.KindAlert, 2)); !errors.Is(err, outputs.ErrClosed) {
		t.Errorf("got %v after Close, want ErrClosed", err)
	}
}
