package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
)

// rollupWidths are the spans in which findings are counted; the first is the finest step of a histogram.
var rollupWidths = []time.Duration{5 * time.Minute, time.Hour}

type rollup struct {
	width, span int64
	severity    int
	rule        string
}

// count adds findings to the rollup, in one order, so that two routers don't wait for each other.
func (t *Tx) count(ctx context.Context, counts map[rollup]uint64) error {
	keys := make([]rollup, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b rollup) int {
		return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.span, b.span), cmp.Compare(a.severity, b.severity), cmp.Compare(a.rule, b.rule))
	})
	for _, k := range keys {
		if _, err := t.exec(ctx, `INSERT INTO rollup (width, span, severity, rule, count) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (width, span, severity, rule) DO UPDATE SET count = rollup.count + excluded.count`, k.width, k.span, k.severity, k.rule, int64(counts[k])); err != nil {
			return fmt.Errorf("count findings: %w", err)
		}
	}
	return nil
}

// Bucket is one bar of a histogram.
type Bucket struct {
	Time   time.Time         `json:"time"`
	Counts map[string]uint64 `json:"counts" doc:"by value of the field"`
}

// Histogram counts findings by severity or rule, in steps from since to until. The matcher may name only those
// fields: others are not counted ahead.
func (s *Store) Histogram(ctx context.Context, m match.Matcher, by string, since, until time.Time, step time.Duration) ([]Bucket, error) {
	column, ok := map[string]string{"severity": "severity", "rule": "rule"}[by]
	if !ok {
		return nil, fmt.Errorf("findings are counted by severity and rule, not by %q", by)
	}
	for i := range m.Terms {
		switch m.Terms[i].Field {
		case "severity", "rule":
		default:
			return nil, &match.Error{At: []any{m.Terms[i].Field}, Msg: "findings are counted by severity and rule only"}
		}
	}
	width := rollupWidths[0]
	for _, w := range rollupWidths {
		if step%w == 0 {
			width = w
		}
	}
	c := &cond{d: s.d}
	c.add("width = ?", width.Nanoseconds())
	c.add("span >= ?", nanos(since.Truncate(step)))
	c.add("span < ?", nanos(until))
	if err := c.match(&m); err != nil {
		return nil, err
	}
	var out []Bucket
	at := map[int64]int{}
	for t := since.Truncate(step); t.Before(until); t = t.Add(step) {
		at[t.UnixNano()] = len(out)
		out = append(out, Bucket{t.UTC(), map[string]uint64{}})
	}
	q := fmt.Sprintf("SELECT span - span %% %d AS bar, %s, sum(count) FROM rollup WHERE %s GROUP BY 1, 2", step.Nanoseconds(), column, c.where())
	err := s.query(ctx, q, c.args, func(r *sql.Rows) error {
		var bar int64
		var value string
		var n uint64
		if err := r.Scan(&bar, &value, &n); err != nil {
			return err
		}
		if by == "severity" {
			value = severityName(value)
		}
		if i, ok := at[time.Unix(0, bar).Truncate(step).UnixNano()]; ok {
			out[i].Counts[value] += n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	return out, nil
}

func severityName(digit string) string {
	if len(digit) == 1 && digit[0] >= '0' && digit[0] <= '4' {
		return finding.Severity(digit[0] - '0').String()
	}
	return digit
}

// Facet is one value of a field, with the number of alerts that have it.
type Facet struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

var facetColumns = map[string]string{
	"status": "status", "severity": "severity", "rule": "rule", "cluster": "cluster", "host": "host", "origin": "origin",
	"namespace": "namespace", "image": "image", "assignee": "assignee",
}

// FacetFields are the fields that Facets knows.
var FacetFields = []string{"status", "severity", "rule", "cluster", "host", "origin", "namespace", "image", "assignee", "technique", "tactic"}

// maxCounted bounds the alerts that Facets looks at: the latest ones.
const maxCounted = 20_000

// Facets counts the alerts that f selects by each of the fields, and returns the most frequent values of each, at most
// limit. Of very many alerts it counts the latest, and says so.
func (s *Store) Facets(ctx context.Context, f Filter, fields []string, limit int) (facets map[string][]Facet, truncated bool, err error) {
	facets = map[string][]Facet{}
	c, err := s.filter(ctx, &f, "last_seen")
	if err != nil {
		return nil, false, err
	}
	from, args := c.from()
	counts := map[string]map[string]int{}
	var names, columns []string
	for _, field := range fields {
		counts[field] = map[string]int{}
		switch column := facetColumns[field]; {
		case field == "technique" || field == "tactic":
			q := "SELECT xa." + field + ", count(*) FROM (SELECT alerts.id FROM " + from + " WHERE " + c.where() + " ORDER BY last_seen DESC LIMIT ?) a JOIN alert_attack xa ON xa.alert = a.id GROUP BY 1"
			err := s.query(ctx, q, append(args[:len(args):len(args)], maxCounted), func(r *sql.Rows) error {
				var v string
				var n int
				err := r.Scan(&v, &n)
				counts[field][v] = n
				return err
			})
			if err != nil {
				return nil, false, fmt.Errorf("count alerts by %s: %w", field, err)
			}
		case column == "":
			return nil, false, fmt.Errorf("no facet is named %q: use %s", field, strings.Join(FacetFields, ", "))
		default:
			names, columns = append(names, field), append(columns, column)
		}
	}
	if len(columns) > 0 {
		// The database groups what it has read once, and the rest is a sum.
		list := strings.Join(columns, ", ")
		q := "SELECT " + list + ", count(*) FROM (SELECT " + list + " FROM " + from + " WHERE " + c.where() + " ORDER BY last_seen DESC LIMIT ?) x GROUP BY " + list
		values, total := make([]string, len(columns)), 0
		n := 0
		into := make([]any, 0, len(columns)+1)
		for i := range values {
			into = append(into, &values[i])
		}
		into = append(into, &n)
		err := s.query(ctx, q, append(args, maxCounted), func(r *sql.Rows) error {
			if err := r.Scan(into...); err != nil {
				return err
			}
			for i, field := range names {
				counts[field][values[i]] += n
			}
			total += n
			return nil
		})
		if err != nil {
			return nil, false, fmt.Errorf("count alerts: %w", err)
		}
		truncated = total == maxCounted
	}
	for field, byValue := range counts {
		list := []Facet{}
		for v, n := range byValue {
			if field == "severity" {
				v = severityName(v)
			}
			if v != "" {
				list = append(list, Facet{v, n})
			}
		}
		slices.SortFunc(list, func(a, b Facet) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
		facets[field] = list[:min(len(list), limit)]
	}
	return facets, truncated, nil
}

// Hits counts alerts by the techniques and tactics that they showed since a day.
func (s *Store) Hits(ctx context.Context, since time.Time) (techniques, tactics map[string]int, err error) {
	techniques, tactics = map[string]int{}, map[string]int{}
	err = s.query(ctx, "SELECT tactic, technique, sum(count) FROM rollup_attack WHERE day >= ? GROUP BY 1, 2", []any{nanos(since.Truncate(24 * time.Hour))}, func(r *sql.Rows) error {
		var tactic, technique string
		var n int
		if err := r.Scan(&tactic, &technique, &n); err != nil {
			return err
		}
		if technique != "" {
			techniques[technique] += n
		}
		tactics[tactic] += n
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("count techniques: %w", err)
	}
	return techniques, tactics, nil
}
