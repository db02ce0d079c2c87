package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// NextDue is when a thread or a digest is due; zero means that nothing is.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var due sql.NullInt64
	err := s.query(ctx, `SELECT min(due) FROM (SELECT min(due) AS due FROM threads WHERE due IS NOT NULL UNION ALL SELECT min(due) FROM buckets WHERE due IS NOT NULL) x`,
		nil, func(r *sql.Rows) error { return r.Scan(&due) })
	if err != nil {
		return time.Time{}, fmt.Errorf("read what is due next: %w", err)
	}
	return fromNanos(due.Int64), nil
}

// Expire deletes what is older than before, at most limit of each kind, and returns how much it deleted. An alert that is
// not closed stays, and so does the finding it shows.
func (s *Store) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	n := 0
	err := s.Work(ctx, func(t *Tx) error {
		n = 0
		alerts, err := t.ids(ctx, "SELECT id FROM alerts WHERE last_seen < ? AND status = 'closed' ORDER BY last_seen LIMIT ?", nanos(before), limit)
		if err != nil {
			return err
		}
		findings, err := t.ids(ctx, "SELECT id FROM findings WHERE time < ? AND id NOT IN (SELECT finding FROM alerts WHERE last_seen < ?) ORDER BY time LIMIT ?",
			nanos(before), nanos(before), limit)
		if err != nil {
			return err
		}
		deliveries, err := t.ids(ctx, "SELECT id FROM deliveries WHERE updated < ? AND status <> 'pending' ORDER BY updated LIMIT ?", nanos(before), limit)
		if err != nil {
			return err
		}
		for _, x := range []struct {
			from, column string
			ids          []string
		}{
			{"alerts", "id", alerts},
			{"alert_bodies", "id", alerts},
			{"alert_attack", "alert", alerts},
			{"alert_findings", "alert", alerts},
			{"threads", "alert", alerts},
			{"notes", "alert", alerts},
			{"findings", "id", findings},
			{"deliveries", "id", deliveries},
		} {
			if len(x.ids) == 0 {
				continue
			}
			if _, err := t.exec(ctx, "DELETE FROM "+x.from+" WHERE "+t.d.in(x.column), t.d.list(x.ids)); err != nil {
				return fmt.Errorf("delete old %s: %w", x.from, err)
			}
		}
		n = len(alerts) + len(findings) + len(deliveries)
		for _, width := range rollupWidths {
			if _, err := t.exec(ctx, "DELETE FROM rollup WHERE width = ? AND span < ?", width.Nanoseconds(), nanos(before)); err != nil {
				return fmt.Errorf("delete old counts: %w", err)
			}
		}
		_, err = t.exec(ctx, "DELETE FROM sources WHERE expires < ?", time.Now().UnixNano())
		return err
	})
	return n, err
}

func (t *Tx) ids(ctx context.Context, q string, args ...any) ([]string, error) {
	var out []string
	err := t.query(ctx, q, args, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out = append(out, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select what is old: %w", err)
	}
	return out, nil
}
