package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// cond collects conditions and their arguments.
type cond struct {
	d    dialect
	sql  []string
	args []any
	lead string   // the column whose index a list walks along, "" for the one it is sorted by; SQLite only
	keys []lookup // conditions that an index answers
	ids  []string // the alerts that one of them leaves, when they are few
}

// lookup reads the ids of the alerts that fulfil one condition.
type lookup struct {
	sql  string
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

// from is the table, or the few alerts of it that are to be looked at, and the arguments up to where.
func (c *cond) from() (string, []any) {
	if c.ids == nil {
		return "alerts", c.args[:len(c.args):len(c.args)]
	}
	return "(SELECT value AS few FROM json_each(?)) k CROSS JOIN alerts ON alerts.id = k.few", append([]any{c.d.list(c.ids)}, c.args...)
}

// column names a column of alerts in a condition. SQLite has no statistics: it would take any index that fits, and then sort
// half of all alerts. So it is left the index of one column, and the others are checked along the way.
func (c *cond) column(name string) string {
	if c.d.numbered || name == c.lead {
		return name
	}
	return "+" + name
}

// few is the most alerts that are read by their ids and sorted, rather than looked for along the list's order.
var few = 4000

// filter translates f for a list that is sorted by a column, with - in front for descending.
func (s *Store) filter(ctx context.Context, f *Filter, sort string) (*cond, error) {
	by := strings.TrimPrefix(sort, "-")
	c := &cond{d: s.d, lead: by}
	if by == "last_seen" {
		if len(f.Status) == 1 {
			c.lead = "status"
		}
		for i := range f.Match.Terms {
			if t := &f.Match.Terms[i]; leads[t.Field] && plain(t) && len(t.Values) == 1 {
				c.lead = t.Field
			}
		}
	}
	switch len(f.Status) {
	case 0:
	case 1:
		c.add(c.column("status")+" = ?", f.Status[0])
	default:
		c.add(s.d.in(c.column("status")), s.d.list(f.Status))
	}
	if f.Assignee != "" {
		c.add(c.column("assignee")+" = ?", f.Assignee)
		c.keys = append(c.keys, lookup{"SELECT id FROM alerts WHERE assignee <> '' AND assignee = ?", []any{f.Assignee}})
	}
	if len(f.IDs) > 0 {
		c.add(s.d.in("alerts.id"), s.d.list(f.IDs))
	}
	c.seen(f, by == "last_seen")
	for word := range strings.FieldsSeq(f.Text) {
		c.add("(SELECT words FROM alert_bodies b WHERE b.id = alerts.id) LIKE ? ESCAPE '\\'", "%"+escapeLike(strings.ToLower(word))+"%")
	}
	if err := c.match(&f.Match); err != nil {
		return nil, err
	}
	for i := range f.Match.Terms {
		if t := &f.Match.Terms[i]; plain(t) {
			c.keys = append(c.keys, s.lookups(t)...)
		}
	}
	return c, s.fewest(ctx, c, len(f.IDs) > 0)
}

// leads are the columns with an index that goes on with last_seen.
var leads = map[string]bool{"rule": true, "host": true, "namespace": true}

// seen bounds the time. A list that is sorted by it begins and ends there, on its own index; for others it is one more way to
// look alerts up.
func (c *cond) seen(f *Filter, sorted bool) {
	column := "last_seen"
	if !sorted {
		column = c.column(column)
	}
	var key cond
	bound := func(op string, t time.Time) {
		if !t.IsZero() {
			c.add(column+op, nanos(t))
			key.add("last_seen"+op, nanos(t))
		}
	}
	bound(" >= ?", f.Since)
	bound(" <= ?", f.Until)
	if key.sql != nil && !sorted {
		c.keys = append(c.keys, lookup{"SELECT id FROM alerts WHERE " + key.where(), key.args})
	}
}

// plain reports whether a term is one value or another.
func plain(t *match.Term) bool {
	for i := range t.Values {
		if v := &t.Values[i]; v.Op != match.Equal || v.Not {
			return false
		}
	}
	return true
}

// lookups are the ways to find by an index what fulfils a term.
func (s *Store) lookups(t *match.Term) []lookup {
	c := &cond{d: s.d}
	switch t.Field {
	case "technique", "tactic":
		var or []string
		for i := range t.Values {
			q, args := c.attack(t.Field, &t.Values[i])
			or, c.args = append(or, q), append(c.args, args...)
		}
		return []lookup{{"SELECT DISTINCT x.alert FROM alert_attack x WHERE " + strings.Join(or, " OR "), c.args}}
	case "rule", "host", "namespace", "image", "pod", "process":
		var values []string
		for i := range t.Values {
			values = append(values, t.Values[i].Text)
		}
		return []lookup{{"SELECT id FROM alerts WHERE " + s.d.in(t.Field), []any{s.d.list(values)}}}
	case "container":
		var or []string
		for i := range t.Values {
			text := t.Values[i].Text
			or, c.args = append(or, "container = ? OR container_name = ?"), append(c.args, text, text)
			if len(text) == 12 { // of a longer id
				or, c.args = append(or, "container >= ? AND container < ?"), append(c.args, text, text+"\U0010ffff")
			}
		}
		return []lookup{{"SELECT id FROM alerts WHERE " + strings.Join(or, " OR "), c.args}}
	}
	return nil
}

// fewest finds the condition that leaves the fewest alerts. PostgreSQL knows that by its statistics.
func (s *Store) fewest(ctx context.Context, c *cond, known bool) error {
	if s.d.numbered || known {
		return nil
	}
	most := few
	for _, k := range c.keys {
		ids := []string{}
		err := s.query(ctx, k.sql+" LIMIT ?", append(k.args, most+1), func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("look alerts up: %w", err)
		}
		if len(ids) <= most {
			c.ids, most = ids, len(ids)-1 // the next one has to leave fewer
		}
	}
	return nil
}

// bodyOf is the JSON of an alert, in a query of alerts.
const bodyOf = "(SELECT b.body FROM alert_bodies b WHERE b.id = alerts.id)"

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// columns are fields of the grammar with a column of their own; paths lie in the body.
var columns = map[string]string{
	"rule": "rule", "cluster": "cluster", "host": "host", "origin": "origin", "namespace": "namespace", "image": "image",
	"pod": "pod", "process": "process",
}

var paths = map[string][]string{
	"name": {"rule", "name"}, "executable": {"process", "executable"},
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
		sub := &cond{d: c.d, lead: "none"}
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
		severity := c.column("severity")
		c.values(t, "", func(v *match.Value) (string, []any) {
			switch v.Op {
			case match.AtLeast:
				return severity + " >= ?", []any{int(v.Severity)}
			case match.AtMost:
				return severity + " <= ?", []any{int(v.Severity)}
			case match.Equal:
				return severity + " = ?", []any{int(v.Severity)}
			}
			name := "CASE " + severity + " WHEN 0 THEN 'info' WHEN 1 THEN 'low' WHEN 2 THEN 'medium' WHEN 3 THEN 'high' ELSE 'critical' END"
			return c.compare(name, v, true)
		})
	case "technique", "tactic":
		c.values(t, "EXISTS (SELECT 1 FROM alert_attack x WHERE x.alert = alerts.id AND x."+field+" <> '')", func(v *match.Value) (string, []any) {
			q, args := c.attack(field, v)
			return "EXISTS (SELECT 1 FROM alert_attack x WHERE x.alert = alerts.id AND " + q + ")", args
		})
	case "container":
		id, name := c.column("container"), c.column("container_name")
		c.values(t, "("+id+" <> '' OR "+name+" <> '')", func(v *match.Value) (string, []any) {
			a, args := c.compare(id, v, false)
			b, more := c.compare("substr("+id+", 1, 12)", v, false)
			d, last := c.compare(name, v, false)
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
		} else {
			column = c.column(column)
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
