package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-io/tocsin/finding"
)

// Status is where a delivery is.
type Status string

const (
	Pending   Status = "pending"   // not in the queue yet
	Queued    Status = "queued"    // in the output's queue
	Retrying  Status = "retrying"  // tried, and waiting in the queue
	Delivered Status = "delivered" // the destination said 2xx
	Dead      Status = "dead"      // given up; can be retried
)

// Delivery is one notification on its way to one output.
type Delivery struct {
	ID       string          `json:"id"`
	Output   string          `json:"output"`
	Alert    string          `json:"alert,omitempty"`
	Route    string          `json:"route,omitempty"`
	Kind     finding.Kind    `json:"kind"`
	Status   Status          `json:"status" enum:"pending,queued,retrying,delivered,dead"`
	Attempts int             `json:"attempts"`
	Retries  int             `json:"retries,omitempty" doc:"times taken back from the dead letters"`
	Error    string          `json:"error,omitempty"`
	Created  time.Time       `json:"created"`
	Updated  time.Time       `json:"updated"`
	Body     json.RawMessage `json:"-"` // a finding.Notification, while pending or dead
}

const deliveryColumns = "id, output, alert, route, kind, status, attempts, retries, error, created, updated"

func scanDelivery(r *sql.Rows, d *Delivery, more ...any) error {
	var created, updated int64
	err := r.Scan(append([]any{&d.ID, &d.Output, &d.Alert, &d.Route, &d.Kind, &d.Status, &d.Attempts, &d.Retries, &d.Error, &created, &updated}, more...)...)
	d.Created, d.Updated = fromNanos(created), fromNanos(updated)
	return err
}

// AlertOf is the alert that a notification tells of, "" for single findings and digests.
func AlertOf(n *finding.Notification) string {
	if n.Alert != nil {
		return n.Alert.ID
	}
	return ""
}

// Outbox saves a notification that is still to be queued. One that is there already is left as it is.
func (t *Tx) Outbox(ctx context.Context, n *finding.Notification, body []byte) error {
	now := time.Now().UnixNano()
	_, err := t.exec(ctx, `INSERT INTO deliveries (`+deliveryColumns+`, body) VALUES (?, ?, ?, ?, ?, ?, 0, 0, '', ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		n.ID, n.Output, AlertOf(n), n.Route, string(n.Kind), string(Pending), now, now+int64(fresh), string(body))
	if err != nil {
		return fmt.Errorf("save notification: %w", err)
	}
	return nil
}

// fresh is how long a saved notification is left to whoever saved it, who queues it next.
const fresh = time.Second

// Unqueued returns notifications that are saved, not in a queue, and to be tried at now, oldest first.
func (s *Store) Unqueued(ctx context.Context, now time.Time, limit int) ([]Delivery, error) {
	var out []Delivery
	err := s.query(ctx, "SELECT "+deliveryColumns+", body FROM deliveries WHERE status = 'pending' AND updated <= ? ORDER BY created LIMIT ?",
		[]any{nanos(now), limit}, func(r *sql.Rows) error {
			var d Delivery
			var body []byte
			err := scanDelivery(r, &d, &body)
			d.Body = body
			out = append(out, d)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read notifications that are not queued: %w", err)
	}
	return out, nil
}

// Queued says that these notifications are in their queues since they were published, which was begun at the time given: what
// an output has made of one meanwhile is later than that, and stays.
func (t *Tx) Queued(ctx context.Context, ids []string, at time.Time) error {
	_, err := t.exec(ctx, "UPDATE deliveries SET status = 'queued', updated = ?, body = NULL WHERE "+t.d.in("id")+" AND status = 'pending'",
		nanos(at), t.d.list(ids))
	if err != nil {
		return fmt.Errorf("mark notifications as queued: %w", err)
	}
	return nil
}

// Postpone leaves notifications pending, not to be tried before a while.
func (t *Tx) Postpone(ctx context.Context, ids []string, until time.Time, cause string) error {
	_, err := t.exec(ctx, "UPDATE deliveries SET updated = ?, error = ? WHERE "+t.d.in("id")+" AND status = 'pending'", nanos(until), cause, t.d.list(ids))
	if err != nil {
		return fmt.Errorf("postpone notifications: %w", err)
	}
	return nil
}

// Result is what became of one try.
type Result struct {
	Notification *finding.Notification
	Status       Status // Delivered or Retrying
	Attempts     int    // so far
	Error        string
	Time         time.Time
}

// Record saves results. Of single findings only those that met trouble are kept: there is one for every finding and
// output, and the ones that went well are counted by metrics.
func (s *Store) Record(ctx context.Context, list []Result) error {
	return s.Work(ctx, func(t *Tx) error {
		for i := range list {
			r := &list[i]
			n := r.Notification
			if n.Kind == finding.KindFinding && r.Status == Delivered {
				if r.Attempts <= 1 {
					continue
				}
				if _, err := t.exec(ctx, "UPDATE deliveries SET status = 'delivered', attempts = ?, updated = ? WHERE id = ?", r.Attempts, nanos(r.Time), n.ID); err != nil {
					return fmt.Errorf("record delivery: %w", err)
				}
				continue
			}
			alert := AlertOf(n)
			_, err := t.exec(ctx, `INSERT INTO deliveries (`+deliveryColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET status = excluded.status, attempts = excluded.attempts, error = excluded.error, updated = excluded.updated, body = NULL
				WHERE deliveries.status <> 'delivered'`,
				n.ID, n.Output, alert, n.Route, string(n.Kind), string(r.Status), r.Attempts, r.Error, nanos(n.Time), nanos(r.Time))
			if err != nil {
				return fmt.Errorf("record delivery: %w", err)
			}
		}
		return nil
	})
}

// Bury saves a dead letter, whole.
func (s *Store) Bury(ctx context.Context, d Delivery) error {
	return s.Work(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, `INSERT INTO deliveries (`+deliveryColumns+`, body) VALUES (?, ?, ?, ?, ?, 'dead', ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET status = 'dead', attempts = excluded.attempts, error = excluded.error, updated = excluded.updated, body = excluded.body
			WHERE deliveries.updated < excluded.updated`,
			d.ID, d.Output, d.Alert, d.Route, string(d.Kind), d.Attempts, d.Retries, d.Error, nanos(d.Created), nanos(d.Updated), string(d.Body))
		if err != nil {
			return fmt.Errorf("save dead letter: %w", err)
		}
		return nil
	})
}

// Deliveries returns the deliveries of an alert, oldest first, at most limit.
func (s *Store) Deliveries(ctx context.Context, alert string, limit int) ([]Delivery, error) {
	return s.deliveries(ctx, "alert = ? ORDER BY created, id LIMIT ?", alert, limit)
}

// DeadLetters returns what was given up for an output, the latest first; before is the cursor of an earlier page.
func (s *Store) DeadLetters(ctx context.Context, output, before string, limit int) ([]Delivery, error) {
	where, args := "output = ? AND status = 'dead'", []any{output}
	if before != "" {
		where += " AND (updated, id) < (SELECT updated, id FROM deliveries WHERE id = ?)"
		args = append(args, before)
	}
	return s.deliveries(ctx, where+" ORDER BY updated DESC, id DESC LIMIT ?", append(args, limit)...)
}

// DeadLetter returns the whole notification that was given up.
func (s *Store) DeadLetter(ctx context.Context, output, id string) (json.RawMessage, error) {
	var body []byte
	err := s.query(ctx, "SELECT body FROM deliveries WHERE id = ? AND output = ? AND status = 'dead'", []any{id, output}, func(r *sql.Rows) error { return r.Scan(&body) })
	if err != nil {
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	if body == nil {
		return nil, fmt.Errorf("dead letter %s of output %s: %w", id, output, ErrNotFound)
	}
	return body, nil
}

func (s *Store) deliveries(ctx context.Context, where string, args ...any) ([]Delivery, error) {
	out := []Delivery{}
	err := s.query(ctx, "SELECT "+deliveryColumns+" FROM deliveries WHERE "+where, args, func(r *sql.Rows) error {
		var d Delivery
		err := scanDelivery(r, &d)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return out, nil
}

// Revive takes dead letters back: they are pending again. No ids means all of the output. It returns how many.
func (s *Store) Revive(ctx context.Context, output string, ids []string) (int, error) {
	var n int64
	err := s.Work(ctx, func(t *Tx) error {
		q, args := "UPDATE deliveries SET status = 'pending', retries = retries + 1, updated = ? WHERE status = 'dead' AND output = ?",
			[]any{time.Now().UnixNano(), output}
		if len(ids) > 0 {
			q, args = q+" AND "+t.d.in("id"), append(args, t.d.list(ids))
		}
		t.asks = true
		var err error
		n, err = t.exec(ctx, q, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take dead letters back: %w", err)
	}
	return int(n), nil
}

// Forget deletes what waits in the store for an output that is no more, and its dead letters. It returns how many.
func (s *Store) Forget(ctx context.Context, output, actor string) (int, error) {
	var n int64
	err := s.Work(ctx, func(t *Tx) error {
		var err error
		if n, err = t.exec(ctx, "DELETE FROM deliveries WHERE output = ? AND status IN ('pending', 'queued', 'retrying', 'dead')", output); err != nil {
			return fmt.Errorf("delete notifications: %w", err)
		}
		return t.Audit(ctx, actor, "output.discard", output, map[string]any{"notifications": n})
	})
	return int(n), err
}

// DeliveryCounts counts deliveries by output and status.
func (s *Store) DeliveryCounts(ctx context.Context) (map[string]map[Status]int, error) {
	out := map[string]map[Status]int{}
	err := s.query(ctx, "SELECT output, status, count(*) FROM deliveries WHERE status IN ('pending', 'dead') GROUP BY output, status", nil, func(r *sql.Rows) error {
		var o string
		var st Status
		var n int
		if err := r.Scan(&o, &st, &n); err != nil {
			return err
		}
		if out[o] == nil {
			out[o] = map[Status]int{}
		}
		out[o][st] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	return out, nil
}
