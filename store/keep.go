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

// Expire deletes what is older than before, at most limit alerts and findings, and returns how much it deleted. An alert
// that is not closed stays, and so do the findings it shows.
func (s *Store) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := s.Work(ctx, func(t *Tx) error {
		n = 0
		for _, q := range []string{
			"DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE last_seen < ? AND status = 'closed' LIMIT ?)",
			"DELETE FROM findings WHERE id IN (SELECT id FROM findings WHERE time < ? AND id NOT IN (SELECT finding FROM alerts WHERE alerts.last_seen < ?) LIMIT ?)",
			"DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE updated < ? AND status <> 'pending' LIMIT ?)",
		} {
			args := []any{nanos(before), limit}
			if q[12:20] == "findings" {
				args = []any{nanos(before), nanos(before), limit}
			}
			k, err := t.exec(ctx, q, args...)
			if err != nil {
				return fmt.Errorf("delete what is old: %w", err)
			}
			n += k
		}
		for _, q := range []string{
			"DELETE FROM alert_findings WHERE alert NOT IN (SELECT id FROM alerts)",
			"DELETE FROM alert_attack WHERE alert NOT IN (SELECT id FROM alerts)",
			"DELETE FROM alert_bodies WHERE id NOT IN (SELECT id FROM alerts)",
			"DELETE FROM threads WHERE alert NOT IN (SELECT id FROM alerts)",
			"DELETE FROM notes WHERE alert NOT IN (SELECT id FROM alerts)",
		} {
			if n == 0 {
				break
			}
			if _, err := t.exec(ctx, q); err != nil {
				return fmt.Errorf("delete what is old: %w", err)
			}
		}
		_, err := t.exec(ctx, "DELETE FROM sources WHERE expires < ?", time.Now().UnixNano())
		return err
	})
	return int(n), err
}
