package store

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding/match"
)

// SQLite without statistics plans the same whatever the tables hold: so this test says of a million alerts, too, that a page
// is read along an index in the order of the list, or out of few alerts by their ids, and never by sorting many.
func TestPagesAreNotSorted(t *testing.T) {
	s, err := Open(t.Context(), Options{SQLite: filepath.Join(t.TempDir(), "a.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	day := time.Now().AddDate(0, 0, -1)
	open := []string{"open"}
	for _, tt := range []struct {
		name  string
		match string
		f     Filter
		sort  string
		index string
	}{
		{"all", "", Filter{}, "-last_seen", "alerts_last"},
		{"open", "", Filter{Status: open}, "-last_seen", "alerts_status"},
		{"open or acknowledged", "", Filter{Status: []string{"open", "acknowledged"}}, "-last_seen", "alerts_last"},
		{"day", "", Filter{Since: day}, "-last_seen", "alerts_last"},
		{"open of a day", "", Filter{Status: open, Since: day}, "-last_seen", "alerts_status"},
		{"assignee", "", Filter{Assignee: "ann"}, "-last_seen", "alerts_last"},
		{"severity", "severity=critical", Filter{}, "-last_seen", "alerts_last"},
		{"severities", "severity=>=high", Filter{Status: open}, "-last_seen", "alerts_status"},
		{"rule", "rule=x", Filter{Status: open}, "-last_seen", "alerts_rule"},
		{"rules", "rule=x,y", Filter{Status: open}, "-last_seen", "alerts_status"},
		{"rules by glob", "rule=x*", Filter{}, "-last_seen", "alerts_last"},
		{"not a rule", "rule=!x", Filter{}, "-last_seen", "alerts_last"},
		{"host", "host=x severity=high", Filter{Status: open}, "last_seen", "alerts_host"},
		{"namespace", "namespace=x", Filter{Since: day}, "-last_seen", "alerts_namespace"},
		{"technique", "technique=T1055", Filter{Status: open}, "-last_seen", "alerts_status"},
		{"tactic", "tactic=persistence", Filter{}, "-last_seen", "alerts_last"},
		{"container", "container=x", Filter{}, "-last_seen", "alerts_last"},
		{"pod, process, image", "pod=x process=y image=z", Filter{}, "-last_seen", "alerts_last"},
		{"most severe", "", Filter{Status: open}, "-severity", "alerts_severity"},
		{"most severe of a rule", "rule=x", Filter{Status: open}, "-severity", "alerts_severity"},
		{"most severe of a day", "severity=high", Filter{Since: day}, "-severity", "alerts_severity"},
		{"first seen", "host=x", Filter{Status: open}, "first_seen", "alerts_first"},
		{"most often", "severity=high", Filter{Status: open}, "-count", "alerts_count"},
	} {
		m, err := match.ParseQuery(tt.match)
		if err != nil {
			t.Fatal(err)
		}
		tt.f.Match = m
		p := Page{Sort: tt.sort, Limit: 100}
		for _, cursor := range []string{"", cursor{tt.sort, 1, "a"}.String()} {
			p.Cursor = cursor
			back := SetFew(-1) // nothing is rare
			if plan := plan(t, s, tt.f, p); strings.Contains(plan, "TEMP B-TREE") || !regexp.MustCompile(`INDEX `+tt.index+`\b`).MatchString(plan) {
				t.Errorf("%s: %s", tt.name, plan)
			}
			back()
		}
		if c, err := s.filter(t.Context(), &tt.f, tt.sort); err != nil || (c.ids == nil) != (len(c.keys) == 0) {
			t.Errorf("%s: few alerts are not looked up: %v", tt.name, err)
		} else if plan := plan(t, s, tt.f, p); c.ids != nil && !strings.Contains(plan, "id=?)") {
			t.Errorf("%s: %s", tt.name, plan)
		}
		for _, k := range ok(s.filter(t.Context(), &tt.f, tt.sort)).keys {
			if plan := explain(t, s, k.sql, k.args); strings.Contains(plan, "SCAN alerts") || strings.Contains(plan, "SCAN x") {
				t.Errorf("%s is not looked up by an index: %s", tt.name, plan)
			}
		}
	}
}

func ok[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func plan(t *testing.T, s *Store, f Filter, p Page) string {
	t.Helper()
	q, args, err := s.page(t.Context(), &f, p)
	if err != nil {
		t.Fatal(err)
	}
	return explain(t, s, q, args)
}

func explain(t *testing.T, s *Store, q string, args []any) string {
	t.Helper()
	var steps []string
	err := s.query(t.Context(), "EXPLAIN QUERY PLAN "+q, args, func(r *sql.Rows) error {
		var id, parent, unused int
		var text string
		err := r.Scan(&id, &parent, &unused, &text)
		steps = append(steps, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The alert's body and other subqueries come behind.
	return strings.Split(strings.Join(steps, "; "), "; CORRELATED")[0]
}
