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

// cond collects conditions and their arguments.
type cond struct {
	d    dialect
	sql  []string
	args []any
}

func (c *cond) add(q string, args ...any) {
	c.sql = append(c.sql, q)
	c.args = append(c.args, args...)
}

func (c *cond) where() string {
	if len(c.sql) == 0 {
		return "1 = 1"
	}
	return strings.Join(c.sql, " AND ")
}

func (s *Store) filter(f *Filter) (*cond, error) {
	c := &cond{d: s.d}
	if len(f.Status) > 0 {
		if len(f.Status) == 1 {
			c.add(s.status(f)+" = ?", f.Status[0])
		} else {
			c.add(s.d.in("status"), s.d.list(f.Status))
		}
	}
	if f.Assignee != "" {
		c.add("assignee = ?", f.Assignee)
	}
	if len(f.IDs) > 0 {
		c.add(s.d.in("id"), s.d.list(f.IDs))
	}
	if !f.Since.IsZero() {
		c.add("last_seen >= ?", nanos(f.Since))
	}
	if !f.Until.IsZero() {
		c.add("last_seen <= ?", nanos(f.Until))
	}
	for word := range strings.FieldsSeq(f.Text) {
		c.add("(SELECT words FROM alert_bodies b WHERE b.id = alerts.id) LIKE ? ESCAPE '\\'", "%"+escapeLike(strings.ToLower(word))+"%")
	}
	return c, c.match(&f.Match)
}

// status is the column in a filter. Most alerts share a status: where the filter has something rarer to look up, SQLite,
// which does not know that, is kept from using the status's index.
func (s *Store) status(f *Filter) string {
	for i := range f.Match.Terms {
		if t := &f.Match.Terms[i]; !s.d.numbered && (t.Field == "rule" || t.Field == "host") && len(t.Values) == 1 && t.Values[0].Op == match.Equal && !t.Values[0].Not {
			return "+status"
		}
	}
	return "status"
}

// bodyOf is the JSON of an alert, in a query of alerts.
const bodyOf = "(SELECT b.body FROM alert_bodies b WHERE b.id = alerts.id)"

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// columns are fields of the grammar with a column of their own; paths lie in the body.
var columns = map[string]string{
	"rule": "rule", "cluster": "cluster", "host": "host", "origin": "origin", "namespace": "namespace", "image": "image",
}

var paths = map[string][]string{
	"name": {"rule", "name"}, "pod": {"kubernetes", "podName"}, "process": {"process", "name"}, "executable": {"process", "executable"},
	"user": {"process", "user"}, "uid": {"process", "uid"}, "pid": {"process", "pid"}, "message": {"message"},
}

// match translates the grammar, so that a query means the same here as in a route.
func (c *cond) match(m *match.Matcher) error {
	for i := range m.Terms {
		if err := c.term(&m.Terms[i]); err != nil {
			return err
		}
	}
	if len(m.Any) == 0 {
		return nil
	}
	var or []string
	for i := range m.Any {
		sub := &cond{d: c.d}
		if err := sub.match(&m.Any[i]); err != nil {
			return err
		}
		or = append(or, "("+sub.where()+")")
		c.args = append(c.args, sub.args...)
	}
	c.sql = append(c.sql, "("+strings.Join(or, " OR ")+")")
	return nil
}

func (c *cond) term(t *match.Term) error {
	switch field := t.Field; field {
	case "severity":
		c.values(t, "", func(v *match.Value) (string, []any) {
			switch v.Op {
			case match.AtLeast:
				return "severity >= ?", []any{int(v.Severity)}
			case match.AtMost:
				return "severity <= ?", []any{int(v.Severity)}
			case match.Equal:
				return "severity = ?", []any{int(v.Severity)}
			}
			name := "CASE severity WHEN 0 THEN 'info' WHEN 1 THEN 'low' WHEN 2 THEN 'medium' WHEN 3 THEN 'high' ELSE 'critical' END"
			return c.compare(name, v, true)
		})
	case "technique", "tactic":
		c.values(t, "EXISTS (SELECT 1 FROM alert_attack x WHERE x.alert = alerts.id AND x."+field+" <> '')", func(v *match.Value) (string, []any) {
			q, args := c.attack(field, v)
			return "alerts.id IN (SELECT x.alert FROM alert_attack x WHERE " + q + ")", args
		})
	case "container":
		name := c.path([]string{"container", "name"})
		c.values(t, "(container <> '' OR COALESCE("+name+", '') <> '')", func(v *match.Value) (string, []any) {
			a, args := c.compare("container", v, false)
			b, more := c.compare("substr(container, 1, 12)", v, false)
			d, last := c.compare("COALESCE("+name+", '')", v, false)
			return "(" + a + " OR " + b + " OR " + d + ")", append(append(args, more...), last...)
		})
	case "tag":
		list := "json_each(" + bodyOf + ", '$.rule.tags') j"
		if c.d.numbered {
			list = "jsonb_array_elements_text(COALESCE(" + bodyOf + "::jsonb #> '{rule,tags}', '[]')) j(value)"
		}
		c.values(t, "EXISTS (SELECT 1 FROM "+list+")", func(v *match.Value) (string, []any) {
			q, args := c.compare("j.value", v, false)
			return "EXISTS (SELECT 1 FROM " + list + " WHERE " + q + ")", args
		})
	default:
		column, ok := columns[field]
		if !ok {
			p, ok := paths[field]
			if key, isLabel := strings.CutPrefix(field, "label."); isLabel {
				p, ok = []string{"kubernetes", "labels", key}, true
			}
			if !ok {
				return &match.Error{At: []any{field}, Msg: "alerts can't be searched by " + field}
			}
			column = "COALESCE(" + c.path(p) + ", '')"
		}
		c.values(t, column+" <> ''", func(v *match.Value) (string, []any) { return c.compare(column, v, false) })
	}
	return nil
}

// values writes a term: one of the plain values, none of the negated ones, and the field is there.
func (c *cond) values(t *match.Term, present string, one func(*match.Value) (string, []any)) {
	if present != "" {
		c.sql = append(c.sql, present)
	}
	var or []string
	var orArgs []any
	for i := range t.Values {
		v := &t.Values[i]
		q, args := one(v)
		if v.Not {
			c.add("NOT ("+q+")", args...)
			continue
		}
		or, orArgs = append(or, q), append(orArgs, args...)
	}
	if or != nil {
		c.add("("+strings.Join(or, " OR ")+")", orArgs...)
	}
}

func (c *cond) compare(column string, v *match.Value, fold bool) (string, []any) {
	text := v.Text
	if fold {
		text = strings.ToLower(text)
	}
	switch v.Op {
	case match.Glob:
		if c.d.numbered {
			return column + ` LIKE ? ESCAPE '\'`, []any{strings.NewReplacer("*", "%", "?", "_").Replace(escapeLike(text))}
		}
		return column + " GLOB ?", []any{strings.NewReplacer("[", "[[]").Replace(text)}
	case match.Regexp:
		if c.d.numbered {
			return column + " ~ ?", []any{"^(?:" + v.Text + ")$"}
		}
		return column + " REGEXP ?", []any{"^(?:" + v.Text + ")$"}
	}
	return column + " = ?", []any{text}
}

// attack compares an id or a name of the catalogue; a technique also matches its sub-techniques.
func (c *cond) attack(field string, v *match.Value) (string, []any) {
	cat := finding.ATTACK()
	if v.Op == match.Equal {
		id := strings.ToUpper(v.Text)
		if field == "tactic" {
			if t, ok := cat.Tactic(v.Text); ok {
				id = t.ID
			}
			return "x.tactic = ?", []any{id}
		}
		ids := []string{id}
		for _, t := range cat.Techniques {
			if strings.EqualFold(t.Name, v.Text) {
				ids = append(ids, t.ID)
			}
		}
		var or []string
		var args []any
		for _, id := range ids {
			or = append(or, "x.technique = ? OR (x.technique >= ? AND x.technique < ?)")
			args = append(args, id, id+".", id+"/")
		}
		return "(" + strings.Join(or, " OR ") + ")", args
	}
	if field == "tactic" {
		return c.compare("x.tactic", v, false)
	}
	a, args := c.compare("x.technique", v, false)
	b, more := c.compare("substr(x.technique, 1, 5)", v, false)
	return "(" + a + " OR " + b + ")", append(args, more...)
}

// path reads a text out of the body. Keys come from the grammar; a label's name is an argument made safe.
func (c *cond) path(keys []string) string {
	if c.d.numbered {
		quoted := make([]string, len(keys))
		for i, k := range keys {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `''`).Replace(k) + `"`
		}
		return "(" + bodyOf + "::jsonb #>> '{" + strings.Join(quoted, ",") + "}')"
	}
	q := "$"
	for _, k := range keys {
		q += `."` + strings.NewReplacer(`"`, ``, `'`, `''`).Replace(k) + `"`
	}
	return "CAST(json_extract(" + bodyOf + ", '" + q + "') AS TEXT)"
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

// Alerts returns one page of alerts, and the cursor of the next one, empty at the end.
func (s *Store) Alerts(ctx context.Context, f Filter, p Page) ([]finding.Alert, string, error) {
	c, err := s.filter(&f)
	if err != nil {
		return nil, "", err
	}
	if p.Sort == "" {
		p.Sort = "-last_seen"
	}
	name, desc := strings.CutPrefix(p.Sort, "-")
	column, ok := sorts[name]
	if !ok {
		return nil, "", fmt.Errorf("can't sort by %q: use last_seen, first_seen, severity or count, with - in front for descending", name)
	}
	order, cmp := "ASC", ">"
	if desc {
		order, cmp = "DESC", "<"
	}
	if p.Cursor != "" {
		cur, err := parseCursor(p.Cursor, p.Sort)
		if err != nil {
			return nil, "", err
		}
		c.add("("+column+", id) "+cmp+" (?, ?)", cur.Value, cur.ID)
	}
	out := []finding.Alert{}
	var ids []string
	var last cursor
	more := false
	if name != "last_seen" && !s.d.numbered { // walk along the order instead of sorting all of a status
		for i := range c.sql {
			if c.sql[i] == "status = ?" {
				c.sql[i] = "+status = ?"
			}
		}
	}
	q := "SELECT " + column + ", finding, " + bodyOf + " FROM alerts WHERE " + c.where() + " ORDER BY " + column + " " + order + ", id " + order + " LIMIT ?"
	err = s.query(ctx, q, append(c.args, p.Limit+1), func(r *sql.Rows) error {
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
