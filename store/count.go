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

// rollupSpan is the finest step of a histogram.
const rollupSpan = 5 * time.Minute

type rollup struct {
	span       int64
	severity   int
	rule, host string
}

// count adds findings to the rollup, in one order, so that two routers don't wait for each other.
func (t *Tx) count(ctx context.Context, counts map[rollup]uint64) error {
	keys := make([]rollup, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b rollup) int {
		return cmp.Or(cmp.Compare(a.span, b.span), cmp.Compare(a.severity, b.severity), cmp.Compare(a.rule, b.rule), cmp.Compare(a.host, b.host))
	})
	for _, k := range keys {
		if _, err := t.exec(ctx, `INSERT INTO rollup (span, severity, rule, host, count) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (span, severity, rule, host) DO UPDATE SET count = rollup.count + excluded.count`, k.span, k.severity, k.rule, k.host, int64(counts[k])); err != nil {
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

// Histogram counts findings by severity, rule or host, in steps from since to until. The matcher may name only those
// fields: others are not counted ahead.
func (s *Store) Histogram(ctx context.Context, m match.Matcher, by string, since, until time.Time, step time.Duration) ([]Bucket, error) {
	column, ok := map[string]string{"severity": "severity", "rule": "rule", "host": "host"}[by]
	if !ok {
		return nil, fmt.Errorf("findings are counted by severity, rule and host, not by %q", by)
	}
	for i := range m.Terms {
		switch m.Terms[i].Field {
		case "severity", "rule", "host":
		default:
			return nil, &match.Error{At: []any{m.Terms[i].Field}, Msg: "findings are counted by severity, rule and host only"}
		}
	}
	c := &cond{d: s.d}
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

// Facets counts the alerts that f selects by each of the fields: the most frequent values of each, at most limit.
func (s *Store) Facets(ctx context.Context, f Filter, fields []string, limit int) (map[string][]Facet, error) {
	out := map[string][]Facet{}
	for _, field := range fields {
		c, err := s.filter(&f)
		if err != nil {
			return nil, err
		}
		from, column := "alerts", facetColumns[field]
		switch field {
		case "technique", "tactic":
			from, column = "alerts JOIN alert_attack xa ON xa.alert = alerts.id", "xa."+field
		}
		if column == "" {
			return nil, fmt.Errorf("no facet is named %q: use %s", field, strings.Join(FacetFields, ", "))
		}
		list := []Facet{}
		q := fmt.Sprintf("SELECT %s, count(*) AS n FROM %s WHERE %s GROUP BY 1 ORDER BY n DESC, 1 LIMIT ?", column, from, c.where())
		err = s.query(ctx, q, append(c.args, limit), func(r *sql.Rows) error {
			var x Facet
			if err := r.Scan(&x.Value, &x.Count); err != nil {
				return err
			}
			if field == "severity" {
				x.Value = severityName(x.Value)
			}
			if x.Value != "" {
				list = append(list, x)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("count alerts by %s: %w", field, err)
		}
		out[field] = list
	}
	return out, nil
}

// Hits counts the alerts of each technique and tactic since a time.
func (s *Store) Hits(ctx context.Context, since time.Time) (techniques, tactics map[string]int, err error) {
	techniques, tactics = map[string]int{}, map[string]int{}
	for column, into := range map[string]map[string]int{"technique": techniques, "tactic": tactics} {
		q := "SELECT x." + column + ", count(DISTINCT x.alert) FROM alert_attack x JOIN alerts a ON a.id = x.alert WHERE a.last_seen >= ? AND x." + column + " <> '' GROUP BY 1"
		err := s.query(ctx, q, []any{nanos(since)}, func(r *sql.Rows) error {
			var id string
			var n int
			err := r.Scan(&id, &n)
			into[id] = n
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("count techniques: %w", err)
		}
	}
	return techniques, tactics, nil
}
