package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
)

// Load puts into st what the router needs.
func (t *Tx) Load(ctx context.Context, n router.Needs, st *router.State) error {
	err := t.query(ctx, "SELECT id FROM findings WHERE "+t.d.in("id"), []any{t.d.list(n.Findings)}, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		st.Known[id] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("load known findings: %w", err)
	}
	if err := t.loadAlerts(ctx, st, t.d.in("gkey")+" AND status <> 'closed' ORDER BY gkey", t.d.list(n.Groups)); err != nil {
		return err
	}
	if err := t.loadSources(ctx, st, n.Sources); err != nil {
		return err
	}
	return t.loadBuckets(ctx, st, t.d.in("output"), t.d.list(n.Buckets))
}

// loadAlerts loads alerts with their threads.
func (t *Tx) loadAlerts(ctx context.Context, st *router.State, where string, args ...any) error {
	var ids []string
	err := t.query(ctx, "SELECT gkey, finding, "+bodyOf+" FROM alerts WHERE "+where+t.d.lock, args, func(r *sql.Rows) error {
		a := &router.Alert{}
		var body []byte
		if err := r.Scan(&a.Key, &a.Last, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &a.Alert); err != nil {
			return err
		}
		st.AddAlert(a)
		ids = append(ids, a.ID)
		return nil
	})
	if err == nil && len(ids) > 0 {
		err = t.loadThreads(ctx, st, t.d.in("alert"), t.d.list(ids))
	}
	if err != nil {
		return fmt.Errorf("load alerts: %w", err)
	}
	return nil
}

func (t *Tx) loadThreads(ctx context.Context, st *router.State, where string, args ...any) error {
	return t.query(ctx, "SELECT due, body FROM threads WHERE "+where, args, func(r *sql.Rows) error {
		var body []byte
		var due sql.NullInt64
		if err := r.Scan(&due, &body); err != nil {
			return err
		}
		th := &router.Thread{}
		if err := json.Unmarshal(body, th); err != nil {
			return err
		}
		th.Due = fromNanos(due.Int64) // the column counts: closing an alert sets it
		if st.Threads[th.Key] == nil {
			st.Threads[th.Key] = th
		}
		return nil
	})
}

func (t *Tx) loadSources(ctx context.Context, st *router.State, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	err := t.query(ctx, "SELECT body FROM sources WHERE "+t.d.in("key"), []any{t.d.list(keys)}, func(r *sql.Rows) error {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return err
		}
		src := &router.Source{}
		if err := json.Unmarshal(body, src); err != nil {
			return err
		}
		if st.Sources[src.Key] == nil {
			st.Sources[src.Key] = src
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load inhibition sources: %w", err)
	}
	return nil
}

func (t *Tx) loadBuckets(ctx context.Context, st *router.State, where string, args ...any) error {
	err := t.query(ctx, "SELECT body FROM buckets WHERE "+where+" ORDER BY output"+t.d.lock, args, func(r *sql.Rows) error {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return err
		}
		b := &router.Bucket{}
		if err := json.Unmarshal(body, b); err != nil {
			return err
		}
		if st.Buckets[b.Output] == nil {
			st.Buckets[b.Output] = b
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load rates: %w", err)
	}
	return nil
}

// WakeHeld makes due what times hold back: a new configuration may have other times, and what was held till Monday is not to wait
// for a Monday that nobody means any more. What is still to be held is held again.
func (t *Tx) WakeHeld(ctx context.Context, now time.Time) error {
	n, err := t.exec(ctx, `UPDATE threads SET due = ? WHERE due > ? AND body LIKE '%"held":true%'`, now.UnixNano(), now.UnixNano())
	if err != nil {
		return fmt.Errorf("wake what is held: %w", err)
	}
	t.asks = t.asks || n > 0
	return nil
}

// LoadDue puts into st at most limit threads that are due, and all that telling of them needs. It reports whether there
// is anything to do, and when the next thing is due after that (zero: nothing is).
func (t *Tx) LoadDue(ctx context.Context, table *router.Table, st *router.State, limit int) (some bool, err error) {
	now := nanos(st.Now)
	var ids []string
	skip := ""
	if t.d.lock != "" {
		skip = " FOR UPDATE SKIP LOCKED" // another router is at it
	}
	err = t.query(ctx, "SELECT alert FROM threads WHERE due <= ? ORDER BY due LIMIT ?"+skip, []any{now, limit}, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("load what is due: %w", err)
	}
	due := 0
	if err := t.query(ctx, "SELECT count(*) FROM buckets WHERE due <= ?", []any{now}, func(r *sql.Rows) error { return r.Scan(&due) }); err != nil {
		return false, fmt.Errorf("load what is due: %w", err)
	}
	if len(ids) == 0 && due == 0 {
		return false, nil
	}
	if err := t.loadThreads(ctx, st, t.d.in("alert"), t.d.list(ids)); err != nil {
		return false, fmt.Errorf("load threads: %w", err)
	}
	if err := t.loadBuckets(ctx, st, "1 = 1"); err != nil {
		return false, err
	}
	w := st.Waiting()
	if err := t.loadAlerts(ctx, st, t.d.in("id")+" ORDER BY gkey", t.d.list(w.Alerts)); err != nil {
		return false, err
	}
	need := w.Findings
	for _, a := range st.Alerts {
		need = append(need, a.Last)
	}
	err = t.query(ctx, "SELECT body FROM findings WHERE "+t.d.in("id"), []any{t.d.list(need)}, func(r *sql.Rows) error {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return err
		}
		f, err := finding.Decode(body)
		st.Findings[f.ID] = &f
		return err
	})
	if err != nil {
		return false, fmt.Errorf("load findings: %w", err)
	}
	for _, a := range st.Alerts {
		a.Finding = st.Findings[a.Last]
	}
	return true, t.loadSources(ctx, st, table.SourceKeys(st))
}

// Save writes what has changed.
func (t *Tx) Save(ctx context.Context, c router.Changes) error {
	counts := map[rollup]uint64{}
	if err := t.addFindings(ctx, c.Added); err != nil {
		return err
	}
	for _, x := range c.Added {
		f := x.Finding
		for _, width := range rollupWidths {
			counts[rollup{width.Nanoseconds(), f.Time.Truncate(width).UnixNano(), int(f.Severity), f.Rule.ID}] += max(f.Count, 1)
		}
	}
	if err := t.count(ctx, counts); err != nil {
		return err
	}
	if len(c.Alerts) > 0 {
		changed, err := t.counter(ctx, "changed", len(c.Alerts))
		if err != nil {
			return err
		}
		for _, a := range c.Alerts {
			if err := t.saveAlert(ctx, a, changed); err != nil {
				return fmt.Errorf("save alert %s: %w", a.ID, err)
			}
			changed++
		}
	}
	for _, th := range c.Threads {
		body, err := json.Marshal(th)
		if err == nil {
			_, err = t.exec(ctx, `INSERT INTO threads (key, alert, due, body) VALUES (?, ?, ?, ?)
				ON CONFLICT (key) DO UPDATE SET due = excluded.due, body = excluded.body`, th.Key, th.Alert, orNull(th.Due), string(body))
		}
		if err != nil {
			return fmt.Errorf("save thread: %w", err)
		}
	}
	for _, key := range c.Dropped {
		if _, err := t.exec(ctx, "DELETE FROM threads WHERE key = ?", key); err != nil {
			return fmt.Errorf("drop thread: %w", err)
		}
	}
	for _, src := range c.Sources {
		body, err := json.Marshal(src)
		if err == nil {
			_, err = t.exec(ctx, `INSERT INTO sources (key, expires, body) VALUES (?, ?, ?)
				ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, body = excluded.body`, src.Key, nanos(src.Expires), string(body))
		}
		if err != nil {
			return fmt.Errorf("save inhibition source: %w", err)
		}
	}
	for _, b := range c.Buckets {
		body, err := json.Marshal(b)
		if err == nil {
			_, err = t.exec(ctx, `INSERT INTO buckets (output, due, body) VALUES (?, ?, ?)
				ON CONFLICT (output) DO UPDATE SET due = excluded.due, body = excluded.body`, b.Output, orNull(b.Due), string(body))
		}
		if err != nil {
			return fmt.Errorf("save rate: %w", err)
		}
	}
	return nil
}

func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

var (
	findingRows = newBulk("INSERT INTO findings (id, time, severity, rule, host, body)", 6, "")
	memberRows  = newBulk("INSERT INTO alert_findings (alert, time, finding)", 3, " ON CONFLICT DO NOTHING")
)

func (t *Tx) addFindings(ctx context.Context, list []router.Added) error {
	rows, members := make([]any, 0, len(list)*findingRows.columns), make([]any, 0, len(list)*memberRows.columns)
	for _, x := range list {
		f, body := x.Finding, x.Body
		if body == nil {
			var err error
			if body, err = finding.Marshal(f); err != nil {
				return fmt.Errorf("save finding %s: %w", f.ID, err)
			}
		}
		// The driver copies it: a copy of Go's before would be one too many.
		text := unsafe.String(unsafe.SliceData(body), len(body))
		rows = append(rows, f.ID, nanos(f.Time), int(f.Severity), f.Rule.ID, f.Host, text)
		for _, a := range x.Alerts {
			members = append(members, a, nanos(f.Time), f.ID)
		}
	}
	err := findingRows.insert(ctx, t, rows)
	if err == nil {
		err = memberRows.insert(ctx, t, members)
	}
	if err != nil {
		return fmt.Errorf("save findings: %w", err)
	}
	return nil
}

// counter takes n numbers and returns the first of them. Taking them serializes transactions that change alerts, so that
// numbers become visible in their order.
func (t *Tx) counter(ctx context.Context, name string, n int) (int64, error) {
	var last int64
	err := t.query(ctx, "UPDATE counters SET value = value + ? WHERE name = ? RETURNING value", []any{n, name}, func(r *sql.Rows) error { return r.Scan(&last) })
	if err != nil {
		return 0, fmt.Errorf("count changes: %w", err)
	}
	return last - int64(n) + 1, nil
}

// words are the texts of an alert that people look for.
func words(a *finding.Alert) string {
	list := []string{a.Rule.ID, a.Rule.Name, a.Message, a.Host, a.Cluster}
	list = append(list, a.Rule.Tags...)
	for _, x := range a.Attack {
		list = append(list, x.Tactic.Name, x.Technique.ID, x.Technique.Name)
		if x.SubTechnique != nil {
			list = append(list, x.SubTechnique.ID, x.SubTechnique.Name)
		}
	}
	if p := a.Process; p != nil {
		list = append(list, p.Name, p.Executable, p.User, strings.Join(p.Args, " "))
	}
	if c := a.Container; c != nil {
		list = append(list, c.ID, c.Name, c.Image)
	}
	if k := a.Kubernetes; k != nil {
		list = append(list, k.PodName, k.Namespace)
	}
	return strings.ToLower(strings.Join(list, "\n"))
}

func (t *Tx) saveAlert(ctx context.Context, a *router.Alert, changed int64) error {
	t.woke = true
	x := a.Alert
	x.Finding = nil // it has its own row
	body, err := json.Marshal(&x)
	if err != nil {
		return err
	}
	var namespace, pod, container, name, image, process string
	if x.Kubernetes != nil {
		namespace, pod = x.Kubernetes.Namespace, x.Kubernetes.PodName
	}
	if x.Container != nil {
		container, name, image = x.Container.ID, x.Container.Name, x.Container.Image
	}
	if x.Process != nil {
		process = x.Process.Name
	}
	// An alert that is there changes in few columns most of the time: naming the others would write their indexes again.
	n, err := t.exec(ctx, `UPDATE alerts SET last_seen = ?, count = ?, version = ?, changed = ?, finding = ?
		WHERE id = ? AND status = ? AND severity = ? AND first_seen = ? AND assignee = ?`,
		nanos(x.LastSeen), int64(x.Count), int64(x.Version), changed, a.Last, x.ID, string(x.Status), int(x.Severity), nanos(x.FirstSeen), x.Assignee)
	if err == nil && n == 0 {
		_, err = t.exec(ctx, `INSERT INTO alerts (id, gkey, status, severity, rule, cluster, host, origin, namespace, container, image, assignee,
				first_seen, last_seen, count, version, changed, finding, container_name, pod, process)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, severity = excluded.severity, rule = excluded.rule, cluster = excluded.cluster,
				host = excluded.host, origin = excluded.origin, namespace = excluded.namespace, container = excluded.container,
				image = excluded.image, assignee = excluded.assignee, first_seen = excluded.first_seen, last_seen = excluded.last_seen,
				count = excluded.count, version = excluded.version, changed = excluded.changed, finding = excluded.finding,
				container_name = excluded.container_name, pod = excluded.pod, process = excluded.process`,
			x.ID, a.Key, string(x.Status), int(x.Severity), x.Rule.ID, x.Cluster, x.Host, x.Origin, namespace, container, image, x.Assignee,
			nanos(x.FirstSeen), nanos(x.LastSeen), int64(x.Count), int64(x.Version), changed, a.Last, name, pod, process)
	}
	if err == nil {
		_, err = t.exec(ctx, `INSERT INTO alert_bodies (id, words, body) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET words = excluded.words, body = excluded.body`, x.ID, words(&x), string(body))
	}
	if err != nil {
		return err
	}
	for i := range x.Attack {
		ids := match.TechniqueIDs(x.Attack[i : i+1])
		if len(ids) == 0 {
			ids = []string{""}
		}
		n, err := t.exec(ctx, `INSERT INTO alert_attack (alert, tactic, technique) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, x.ID, x.Attack[i].Tactic.ID, ids[0])
		if err == nil && n > 0 {
			_, err = t.exec(ctx, `INSERT INTO rollup_attack (day, tactic, technique, count) VALUES (?, ?, ?, 1)
				ON CONFLICT (day, tactic, technique) DO UPDATE SET count = rollup_attack.count + 1`, x.LastSeen.Truncate(24*time.Hour).UnixNano(), x.Attack[i].Tactic.ID, ids[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
