package deliver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

const (
	maxOverflow = 500 // deliveries that wait for one digest
	maxDigest   = 100 // alerts that a digest lists; the others are counted
)

// limited passes what the rate allows. What exceeds it waits in the queue, or becomes a digest: as soon as the rate
// allows one more message, everything that waited is put into one, which goes through the queue like any other, so that
// it survives a crash and is retried under its own id.
func (w *Worker) limited(ctx context.Context, pulled <-chan Delivery, work chan<- []Delivery) {
	var overflow []Delivery
	var timer *time.Timer
	var due <-chan time.Time
	flush := func() {
		if timer != nil {
			timer.Stop()
		}
		due = nil
		if len(overflow) == 1 && w.limiter.Allow() {
			work <- overflow
		} else if len(overflow) > 0 {
			w.digest(ctx, overflow)
		}
		overflow = nil
	}
	for {
		select {
		case d, ok := <-pulled:
			switch {
			case !ok:
				if timer != nil {
					timer.Stop()
				}
				w.giveBack(overflow...)
				return
			case len(overflow) == 0 && w.limiter.Allow():
				work <- w.fill(ctx, []Delivery{d}, pulled)
			case !w.o.Rate.Digest || w.o.Enqueue == nil || d.Notification().Kind == finding.KindDigest:
				// A message waits here, and behind it the queue.
				if err := w.limiter.Wait(ctx); err != nil {
					w.giveBack(d)
					continue
				}
				work <- w.fill(ctx, []Delivery{d}, pulled)
			default:
				w.gate.release()
				overflow = append(overflow, d)
				if len(overflow) >= maxOverflow {
					flush()
				} else if due == nil {
					timer = time.NewTimer(w.untilToken())
					due = timer.C
				}
			}
		case <-due:
			flush()
		}
	}
}

// untilToken is the time until the rate allows one more message.
func (w *Worker) untilToken() time.Duration {
	r := w.limiter.Reserve()
	defer r.Cancel()
	return r.Delay()
}

// digest queues one message for all of them. Only then are they acknowledged.
func (w *Worker) digest(ctx context.Context, ds []Delivery) {
	ns := make([]*finding.Notification, len(ds))
	for i, d := range ds {
		ns[i] = d.Notification()
	}
	err := w.o.Enqueue(ctx, Digest(w.o.Name, ns))
	for _, d := range ds {
		if err != nil {
			w.done(d, d.Retry(jitter(time.Second), errors.New("the digest could not be queued")))
		} else {
			w.done(d, d.Ack())
		}
	}
	if err != nil {
		w.o.Log.Error("queue digest", "notifications", len(ds), "error", err)
		return
	}
	w.o.Log.Info("rate limit reached, sending a digest", "notifications", len(ds))
	w.mu.Lock()
	w.stat.Digested += uint64(len(ds))
	w.mu.Unlock()
	w.o.Metrics.add(w.o.Name, "digested", len(ds))
}

// Digest sums notifications up in one. The same notifications give the same digest, id included. An alert that occurs
// more than once is listed once, in its latest state; beyond maxDigest alerts the others are counted in Omitted.
func Digest(output string, ns []*finding.Notification) finding.Notification {
	h := sha256.New()
	out := finding.Notification{Kind: finding.KindDigest, Output: output}
	at := map[string]int{}
	add := func(a finding.Alert) {
		a.Finding = nil
		if i, ok := at[a.ID]; ok {
			if a.Version >= out.Digest[i].Version {
				out.Digest[i] = a
			}
		} else if len(out.Digest) < maxDigest {
			at[a.ID] = len(out.Digest)
			out.Digest = append(out.Digest, a)
		} else {
			out.Omitted++
		}
	}
	for i, n := range ns {
		h.Write([]byte(n.ID + "\n"))
		if i == 0 {
			out.Route = n.Route
		} else if out.Route != n.Route {
			out.Route = ""
		}
		if n.Time.After(out.Time) {
			out.Time = n.Time
		}
		if n.Alert != nil {
			add(*n.Alert)
		} else {
			for i := range n.Findings {
				add(alertOf(&n.Findings[i]))
			}
		}
	}
	out.ID = "n-" + hex.EncodeToString(h.Sum(nil)[:16])
	return out
}

// alertOf describes a finding that was sent by itself as an alert.
func alertOf(f *finding.Finding) finding.Alert {
	return finding.Alert{
		ID: f.ID, Status: finding.Open, Severity: f.Severity, Rule: f.Rule, Attack: f.Attack, Cluster: f.Cluster, Host: f.Host,
		Origin: f.Origin, Process: f.Process, Container: f.Container, Kubernetes: f.Kubernetes,
		FirstSeen: f.Time, LastSeen: f.Time, Count: max(f.Count, 1), Message: f.Message,
	}
}
