package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/router"
)

// Change is what a person does to an alert; nil leaves a field as it is.
type Change struct {
	Status   *finding.Status
	Reason   *finding.Reason
	Assignee *string
	Note     string // added, if not empty
}

// ErrChange says that a change makes no sense.
var ErrChange = errors.New("this change can't be made")

// Update changes an alert, if its version is still the given one (0: whatever it is), and writes who did it.
func (s *Store) Update(ctx context.Context, id string, version uint64, c Change, actor string) (*finding.Alert, error) {
	err := s.Work(ctx, func(t *Tx) error { return t.update(ctx, id, version, c, actor) })
	if err != nil {
		return nil, err
	}
	return s.Alert(ctx, id)
}

func (t *Tx) update(ctx context.Context, id string, version uint64, c Change, actor string) error {
	a := router.Alert{}
	found := false
	err := t.query(ctx, "SELECT gkey, finding, "+bodyOf+" FROM alerts WHERE id = ?"+t.d.lock, []any{id}, func(r *sql.Rows) error {
		found = true
		var body []byte
		if err := r.Scan(&a.Key, &a.Last, &body); err != nil {
			return err
		}
		return json.Unmarshal(body, &a.Alert)
	})
	if err != nil {
		return fmt.Errorf("read alert: %w", err)
	}
	if !found {
		return fmt.Errorf("alert %s: %w", id, ErrNotFound)
	}
	if version != 0 && version != a.Version {
		return fmt.Errorf("alert %s: %w: its version is %d now", id, ErrConflict, a.Version)
	}
	detail, err := t.apply(ctx, &a, c)
	if err != nil || len(detail) == 0 {
		return err
	}
	if c.Note != "" {
		if err := t.addNote(ctx, id, actor, c.Note); err != nil {
			return err
		}
	}
	a.Version++
	changed, err := t.counter(ctx, "changed", 1)
	if err != nil {
		return err
	}
	if err := t.saveAlert(ctx, &a, changed); err != nil {
		return fmt.Errorf("save alert: %w", err)
	}
	return t.Audit(ctx, actor, "alert.update", id, detail)
}

// apply makes the change and says what it was.
func (t *Tx) apply(ctx context.Context, a *router.Alert, c Change) (map[string]any, error) {
	detail := map[string]any{}
	was := a.Status
	if c.Status != nil && *c.Status != a.Status {
		a.Status = *c.Status
		detail["status"], detail["was"] = a.Status, was
	}
	if c.Reason != nil && *c.Reason != a.Reason {
		a.Reason = *c.Reason
		detail["reason"] = a.Reason
	}
	if c.Assignee != nil && *c.Assignee != a.Assignee {
		a.Assignee = *c.Assignee
		detail["assignee"] = a.Assignee
	}
	if c.Note != "" {
		detail["note"] = c.Note
	}
	switch {
	case a.Status == finding.Closed && a.Reason == "":
		return nil, fmt.Errorf("%w: closing needs a reason: true_positive, false_positive or expected", ErrChange)
	case a.Status != finding.Closed && c.Reason != nil && *c.Reason != "":
		return nil, fmt.Errorf("%w: a reason is given when an alert is closed", ErrChange)
	case a.Status == finding.Closed && was != finding.Closed:
		// Whoever was told of the alert is told that it is closed.
		t.asks = true
		if _, err := t.exec(ctx, "UPDATE threads SET due = ? WHERE alert = ?", time.Now().UnixNano(), a.ID); err != nil {
			return nil, fmt.Errorf("wake threads: %w", err)
		}
	case a.Status != finding.Closed && was == finding.Closed:
		a.Reason = ""
		other := ""
		err := t.query(ctx, "SELECT id FROM alerts WHERE gkey = ? AND status <> 'closed'", []any{a.Key}, func(r *sql.Rows) error { return r.Scan(&other) })
		if err != nil {
			return nil, err
		}
		if other != "" {
			return nil, fmt.Errorf("%w: the group has a newer alert that is open: %s", ErrChange, other)
		}
	}
	return detail, nil
}

// UpdateAll changes all alerts that f selects, at most limit, if there are exactly expect of them. It returns the ids.
func (s *Store) UpdateAll(ctx context.Context, f Filter, expect, limit int, c Change, actor string) ([]string, error) {
	cond, err := s.filter(ctx, &f, "last_seen")
	if err != nil {
		return nil, err
	}
	from, args := cond.from()
	var ids []string
	err = s.Work(ctx, func(t *Tx) error {
		ids = []string{}
		err := t.query(ctx, "SELECT alerts.id FROM "+from+" WHERE "+cond.where()+" ORDER BY last_seen DESC, alerts.id LIMIT ?", append(args[:len(args):len(args)], limit+1), func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("select alerts: %w", err)
		}
		if len(ids) > limit {
			return fmt.Errorf("%w: it would change more than %d alerts at once", ErrChange, limit)
		}
		if len(ids) != expect {
			return fmt.Errorf("%w: it would change %d alerts, not %d", ErrConflict, len(ids), expect)
		}
		for _, id := range ids {
			if err := t.update(ctx, id, 0, c, actor); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// Note is what a person wrote about an alert.
type Note struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Author string    `json:"author"`
	Text   string    `json:"text"`
}

// AddNote adds a note to an alert.
func (s *Store) AddNote(ctx context.Context, alert, author, text string) error {
	_, err := s.Update(ctx, alert, 0, Change{Note: text}, author)
	return err
}

func (t *Tx) addNote(ctx context.Context, alert, author, text string) error {
	_, err := t.exec(ctx, "INSERT INTO notes (id, alert, time, author, text) VALUES (?, ?, ?, ?, ?)", "note-"+rand.Text(), alert, time.Now().UnixNano(), author, text)
	if err != nil {
		return fmt.Errorf("save note: %w", err)
	}
	return nil
}

// Notes returns the notes of an alert, oldest first, at most limit.
func (s *Store) Notes(ctx context.Context, alert string, limit int) ([]Note, error) {
	out := []Note{}
	err := s.query(ctx, "SELECT id, time, author, text FROM notes WHERE alert = ? ORDER BY time, id LIMIT ?", []any{alert, limit}, func(r *sql.Rows) error {
		var n Note
		var at int64
		err := r.Scan(&n.ID, &at, &n.Author, &n.Text)
		n.Time = fromNanos(at)
		out = append(out, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	return out, nil
}

// Entry is one line of the audit: who did what to what.
type Entry struct {
	Seq    int64           `json:"seq"`
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	Object string          `json:"object"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Audit writes an entry.
func (t *Tx) Audit(ctx context.Context, actor, action, object string, detail any) error {
	b, err := json.Marshal(detail)
	if err == nil {
		_, err = t.exec(ctx, "INSERT INTO audit (time, actor, action, object, detail) VALUES (?, ?, ?, ?, ?)", time.Now().UnixNano(), actor, action, object, string(b))
	}
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

// AuditLog returns entries, the latest first, at most limit: of one object, or of all with "", before a sequence number,
// or from the end with 0.
func (s *Store) AuditLog(ctx context.Context, object string, before int64, limit int) ([]Entry, error) {
	c := &cond{d: s.d}
	if object != "" {
		c.add("object = ?", object)
	}
	if before > 0 {
		c.add("seq < ?", before)
	}
	out := []Entry{}
	err := s.query(ctx, "SELECT seq, time, actor, action, object, detail FROM audit WHERE "+c.where()+" ORDER BY seq DESC LIMIT ?", append(c.args, limit), func(r *sql.Rows) error {
		var e Entry
		var at int64
		var detail []byte
		err := r.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Object, &detail)
		e.Time, e.Detail = fromNanos(at), detail
		out = append(out, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return out, nil
}

// Changed is an alert with the number of its latest change.
type Changed struct {
	Seq   int64
	Alert finding.Alert
}

// Changes returns the alerts that changed after a number, in the order of their latest change, at most limit. after < 0
// returns none, with the present number in last.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (list []Changed, last int64, err error) {
	if after < 0 {
		err := s.query(ctx, "SELECT value FROM counters WHERE name = 'changed'", nil, func(r *sql.Rows) error { return r.Scan(&last) })
		return nil, last, err
	}
	last = after
	var alerts []finding.Alert
	var ids []string
	var seqs []int64
	err = s.query(ctx, "SELECT changed, finding, "+bodyOf+" FROM alerts WHERE changed > ? ORDER BY changed LIMIT ?", []any{after, limit}, func(r *sql.Rows) error {
		var seq int64
		var id string
		var body []byte
		if err := r.Scan(&seq, &id, &body); err != nil {
			return err
		}
		var a finding.Alert
		if err := json.Unmarshal(body, &a); err != nil {
			return err
		}
		alerts, ids, seqs, last = append(alerts, a), append(ids, id), append(seqs, seq), seq
		return nil
	})
	if err == nil {
		err = s.attach(ctx, alerts, ids)
	}
	if err != nil {
		return nil, after, fmt.Errorf("read changes: %w", err)
	}
	for i := range alerts {
		list = append(list, Changed{seqs[i], alerts[i]})
	}
	return list, last, nil
}
