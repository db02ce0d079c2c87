package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// ErrCursor says that a cursor is not one that this query has returned.
var ErrCursor = errors.New("the cursor does not belong to this query")

// Filter selects alerts. The zero value selects all.
type Filter struct {
	Match        match.Matcher
	Status       []string // open, acknowledged, closed
	Assignee     string
	IDs          []string
	Since, Until time.Time // of LastSeen
	Text         string    // words that the rule, technique, message, host, process, container or pod have, in any case
}

// Page says which part of a result, and how it is sorted: last_seen, first_seen, severity, count; "-" in front for
// descending.
type Page struct {
	Sort   string
	Limit  int
	Cursor string // of the page before
}

// sorts are the columns that a page can be sorted by.
var sorts = map[string]string{"last_seen": "last_seen", "first_seen": "first_seen", "severity": "severity", "count": "count"}

type cursor struct {
	Sort  string `json:"s"`
	Value int64  `json:"v"`
	ID    string `json:"i"`
}

func (c cursor) String() string {
	b, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(text, sort string) (cursor, error) {
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &c) != nil || c.Sort != sort {
		return c, ErrCursor
	}
	return c, nil
}

// page writes the query of a page: one alert more than it has, to know whether there is a next one.
func (s *Store) page(ctx context.Context, f *Filter, p Page) (q string, args []any, err error) {
	name, desc := strings.CutPrefix(p.Sort, "-")
	column, ok := sorts[name]
	if !ok {
		return "", nil, fmt.Errorf("can't sort by %q: use last_seen, first_seen, severity or count, with - in front for descending", name)
	}
	order, cmp := "ASC", ">"
	if desc {
		order, cmp = "DESC", "<"
	}
	c, err := s.filter(ctx, f, p.Sort)
	if err != nil {
		return "", nil, err
	}
	if p.Cursor != "" {
		cur, err := parseCursor(p.Cursor, p.Sort)
		if err != nil {
			return "", nil, err
		}
		c.add("("+column+", alerts.id) "+cmp+" (?, ?)", cur.Value, cur.ID)
	}
	from, args := c.from()
	q = "SELECT " + column + ", finding, " + bodyOf + " FROM " + from + " WHERE " + c.where() + " ORDER BY " + column + " " + order + ", alerts.id " + order + " LIMIT ?"
	return q, append(args, p.Limit+1), nil
}

// Alerts returns one page of alerts, and the cursor of the next one, empty at the end.
func (s *Store) Alerts(ctx context.Context, f Filter, p Page) ([]finding.Alert, string, error) {
	if p.Sort == "" {
		p.Sort = "-last_seen"
	}
	q, args, err := s.page(ctx, &f, p)
	if err != nil {
		return nil, "", err
	}
	out := []finding.Alert{}
	var ids []string
	var last cursor
	more := false
	err = s.query(ctx, q, args, func(r *sql.Rows) error {
		var body []byte
		var value int64
		var id string
		if err := r.Scan(&value, &id, &body); err != nil {
			return err
		}
		if len(out) == p.Limit {
			more = true
			return nil
		}
		var a finding.Alert
		if err := json.Unmarshal(body, &a); err != nil {
			return err
		}
		out, ids = append(out, a), append(ids, id)
		last = cursor{p.Sort, value, a.ID}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("read alerts: %w", err)
	}
	if err := s.attach(ctx, out, ids); err != nil {
		return nil, "", err
	}
	if !more {
		return out, "", nil
	}
	return out, last.String(), nil
}

// attach gives alerts their latest findings.
func (s *Store) attach(ctx context.Context, alerts []finding.Alert, ids []string) error {
	byID := map[string]*finding.Finding{}
	err := s.query(ctx, "SELECT body FROM findings WHERE "+s.d.in("id"), []any{s.d.list(ids)}, func(r *sql.Rows) error {
		f, err := scanFinding(r)
		if err == nil {
			byID[f.ID] = f
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read findings: %w", err)
	}
	for i := range alerts {
		alerts[i].Finding = byID[ids[i]]
	}
	return nil
}

func scanFinding(r *sql.Rows) (*finding.Finding, error) {
	var body []byte
	if err := r.Scan(&body); err != nil {
		return nil, err
	}
	f, err := finding.Decode(body)
	return &f, err
}

// Alert returns one alert, or ErrNotFound.
func (s *Store) Alert(ctx context.Context, id string) (*finding.Alert, error) {
	list, _, err := s.Alerts(ctx, Filter{IDs: []string{id}}, Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("alert %s: %w", id, ErrNotFound)
	}
	return &list[0], nil
}

// AlertFindings returns a page of an alert's findings, the latest first.
func (s *Store) AlertFindings(ctx context.Context, alert string, p Page) ([]finding.Finding, string, error) {
	c := &cond{d: s.d}
	c.add("x.alert = ?", alert)
	if p.Cursor != "" {
		cur, err := parseCursor(p.Cursor, "finding")
		if err != nil {
			return nil, "", err
		}
		c.add("(x.time, x.finding) < (?, ?)", cur.Value, cur.ID)
	}
	return s.findings(ctx, "SELECT f.body FROM alert_findings x JOIN findings f ON f.id = x.finding WHERE "+c.where()+" ORDER BY x.time DESC, x.finding DESC LIMIT ?", c.args, p.Limit)
}

// FindingFilter selects findings.
type FindingFilter struct {
	Match        match.Matcher
	Since, Until time.Time
}

// Findings returns a page of findings, the latest first. The matcher is applied to at most scanLimit findings a page, so
// a page can be short, or empty, and have a next one.
func (s *Store) Findings(ctx context.Context, f FindingFilter, p Page) ([]finding.Finding, string, error) {
	out := []finding.Finding{}
	next := p.Cursor
	for scanned := 0; scanned < scanLimit; {
		c := &cond{d: s.d}
		if !f.Since.IsZero() {
			c.add("time >= ?", nanos(f.Since))
		}
		if !f.Until.IsZero() {
			c.add("time <= ?", nanos(f.Until))
		}
		if next != "" {
			cur, err := parseCursor(next, "finding")
			if err != nil {
				return nil, "", err
			}
			c.add("(time, id) < (?, ?)", cur.Value, cur.ID)
		}
		list, after, err := s.findings(ctx, "SELECT body FROM findings WHERE "+c.where()+" ORDER BY time DESC, id DESC LIMIT ?", c.args, 500)
		if err != nil {
			return nil, "", err
		}
		for i := range list {
			scanned++
			if f.Match.Match(&list[i]) {
				out = append(out, list[i])
			}
			if len(out) == p.Limit {
				if i == len(list)-1 && after == "" {
					return out, "", nil
				}
				return out, cursorOf(&list[i]), nil
			}
		}
		if next = after; next == "" {
			return out, "", nil
		}
	}
	return out, next, nil
}

const scanLimit = 20_000

func cursorOf(f *finding.Finding) string { return cursor{"finding", nanos(f.Time), f.ID}.String() }

func (s *Store) findings(ctx context.Context, q string, args []any, limit int) ([]finding.Finding, string, error) {
	out := []finding.Finding{}
	more := false
	err := s.query(ctx, q, append(args, limit+1), func(r *sql.Rows) error {
		if len(out) == limit {
			more = true
			return nil
		}
		f, err := scanFinding(r)
		if err == nil {
			out = append(out, *f)
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("read findings: %w", err)
	}
	if !more {
		return out, "", nil
	}
	return out, cursorOf(&out[len(out)-1]), nil
}
