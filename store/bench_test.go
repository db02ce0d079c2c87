package store_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/finding/match"
	"github.com/tocsin-io/tocsin/router"
	"github.com/tocsin-io/tocsin/store"
	"github.com/tocsin-io/tocsin/store/storetest"
)

var (
	benchAlerts   = flag.Int("alerts", 20_000, "alerts in the store that BenchmarkQueries asks")
	benchSQLite   = flag.String("sqlite", "", "file that BenchmarkQueries fills, or asks again")
	benchPostgres = flag.String("postgres", "", "data source name of a database that BenchmarkQueries fills, or asks again")
)

// BenchmarkQueries asks a store that holds many alerts. Run it with -alerts 1000000 for the size it is made for. Three of
// four alerts are closed, one of a thousand is acknowledged. docs/store-performance.md has what it showed.
func BenchmarkQueries(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		file := *benchSQLite
		if file == "" {
			file = filepath.Join(b.TempDir(), "a.db")
		}
		benchQueries(b, store.Options{SQLite: file, NoSync: true})
	})
	b.Run("postgres", func(b *testing.B) {
		dsn := *benchPostgres
		if dsn == "" {
			dsn = storetest.Postgres(b)
		}
		benchQueries(b, store.Options{Postgres: dsn})
	})
}

func fill(b *testing.B, s *store.Store) {
	there := 0
	list, _, err := s.Alerts(b.Context(), store.Filter{}, store.Page{Limit: 1})
	must(b, err)
	if len(list) > 0 { // an earlier run filled it, perhaps not to its end
		there = int(list[0].Process.PID) + 1
	}
	tab := table(b, router.Config{Outputs: map[string]router.Output{}, Defaults: router.Group{By: []string{"rule", "host", "container", "pid"}}})
	start := time.Now().Add(-time.Duration(*benchAlerts) * 2600 * time.Millisecond).UTC()
	rng := rand.New(rand.NewPCG(1, 2))
	techniques := finding.ATTACK().Techniques
	for n := there; n < *benchAlerts; n += 1000 {
		list := make([]finding.Finding, 1000)
		for i := range list {
			id := n + i
			f := mk(id, fmt.Sprintf("rule%02d", rng.IntN(60)), finding.Severity(rng.IntN(5)), start.Add(time.Duration(id)*2600*time.Millisecond))
			f.Host = fmt.Sprintf("node-%03d", rng.IntN(200))
			f.Attack, _ = finding.ATTACK().Resolve(techniques[rng.IntN(len(techniques))].ID)
			f.Process.PID = uint32(id)
			f.Kubernetes.Namespace = fmt.Sprintf("ns-%02d", rng.IntN(40))
			list[i] = f
		}
		save(b, s, tab, list, func(c *router.Changes) {
			for _, a := range c.Alerts {
				switch r := rng.IntN(1000); {
				case r < 750:
					a.Status, a.Reason = finding.Closed, finding.Expected
				case r == 999:
					a.Status, a.Assignee = finding.Acknowledged, "alice"
				}
			}
		})
	}
}

func benchQueries(b *testing.B, opts store.Options) {
	s, err := store.Open(b.Context(), opts)
	must(b, err)
	defer s.Close()
	fill(b, s)
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(b, f())
			}
		})
	}
	parse := func(query string) match.Matcher {
		m, err := match.ParseQuery(query)
		must(b, err)
		return m
	}
	page := func(name string, f store.Filter, sort string) {
		p := store.Page{Limit: 100, Sort: sort}
		run(name, func() error {
			_, _, err := s.Alerts(b.Context(), f, p)
			return err
		})
	}
	open := []string{"open"}
	page("page/all", store.Filter{}, "")
	page("page/open", store.Filter{Status: open}, "")
	page("page/open-or-acknowledged", store.Filter{Status: []string{"open", "acknowledged"}}, "")
	page("page/acknowledged", store.Filter{Status: []string{"acknowledged"}}, "")
	page("page/assignee", store.Filter{Assignee: "alice"}, "")
	page("page/assignee-of-none", store.Filter{Assignee: "bob"}, "")
	page("page/day", store.Filter{Since: time.Now().AddDate(0, 0, -1)}, "")
	for _, q := range []string{
		"severity=>=high", "severity=critical", "technique=T1055", "tactic=persistence", "rule=rule07", "host=node-012", "namespace=ns-07", "namespace=none", "image=none", "container=none", "pod=none",
		"technique=T9999", "rule=rule07 host=node-01*", "host=node-007 severity=critical rule=rule1*", "host=node-007 technique=T1055", "rule=rule07,rule08 severity=>=high", "rule=none*", "label.app=x",
	} {
		page("page/"+q, store.Filter{Match: parse(q), Status: open}, "")
		page("page-of-all/"+q, store.Filter{Match: parse(q)}, "")
	}
	for _, sort := range []string{"-severity", "severity", "first_seen", "-count"} {
		page("page/by:"+sort, store.Filter{Status: open}, sort)
	}
	page("page/by:-severity/rule=rule07", store.Filter{Match: parse("rule=rule07"), Status: open}, "-severity")
	page("page/by:-severity/day", store.Filter{Status: open, Since: time.Now().AddDate(0, 0, -1)}, "-severity")
	for _, text := range []string{"rule07 node-012", "nowhere"} {
		page("text/"+text, store.Filter{Text: text}, "")
		page("text-of-day/"+text, store.Filter{Text: text, Since: time.Now().AddDate(0, 0, -1)}, "")
	}
	// Pages deep in the list, with the cursor that walking there gives.
	for _, sort := range []string{"-last_seen", "-severity", "-count"} {
		for _, query := range []string{"", "severity=>=high"} {
			f, p := store.Filter{Status: open, Match: parse(query)}, store.Page{Limit: 1000, Sort: sort}
			deep := p
			for seen := 0; seen < *benchAlerts/12; seen += p.Limit {
				_, next, err := s.Alerts(b.Context(), f, p)
				must(b, err)
				if next == "" {
					break
				}
				p.Cursor, deep.Cursor = next, next
			}
			deep.Limit = 100
			run("deep/by:"+sort+"/"+query, func() error {
				_, _, err := s.Alerts(b.Context(), f, deep)
				return err
			})
		}
	}
	facets := func(name string, f store.Filter, fields ...string) {
		run("facets/"+name, func() error {
			_, _, err := s.Facets(b.Context(), f, fields, 10)
			return err
		})
	}
	facets("open", store.Filter{Status: open}, "status", "severity", "rule", "host")
	facets("all", store.Filter{}, "status", "severity", "rule", "host")
	facets("technique", store.Filter{Status: open}, "technique")
	facets("severity=>=high", store.Filter{Match: parse("severity=>=high"), Status: open}, "rule", "host")
	run("histogram", func() error {
		_, err := s.Histogram(b.Context(), match.Matcher{}, "severity", time.Now().AddDate(0, 0, -30), time.Now(), time.Hour*6)
		return err
	})
	run("attack", func() error {
		_, _, err := s.Hits(b.Context(), time.Now().AddDate(0, 0, -30))
		return err
	})
	run("findings", func() error {
		_, _, err := s.Findings(b.Context(), store.FindingFilter{}, store.Page{Limit: 100})
		return err
	})
	run("findings/rule=rule07", func() error {
		_, _, err := s.Findings(b.Context(), store.FindingFilter{Match: parse("rule=rule07")}, store.Page{Limit: 100})
		return err
	})
	list, _, err := s.Alerts(b.Context(), store.Filter{}, store.Page{Limit: 1, Sort: "first_seen"})
	must(b, err)
	run("alert", func() error {
		_, err := s.Alert(b.Context(), list[0].ID)
		return err
	})
}

// BenchmarkSave stores findings of twelve alerts, so many in a transaction: as few as 500 a second give, and as many as fit.
func BenchmarkSave(b *testing.B) {
	for _, size := range []int{50, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s, err := store.Open(b.Context(), store.Options{SQLite: filepath.Join(b.TempDir(), "a.db"), NoSync: true})
			must(b, err)
			defer s.Close()
			tab := table(b, router.Config{Outputs: map[string]router.Output{}, Defaults: router.Group{By: []string{"rule", "host"}}})
			now := time.Now()
			n := 0
			event := fmt.Appendf(nil, `{"padding":"%0700d"}`, 0)
			started := cpu()
			for b.Loop() {
				list := make([]finding.Finding, size)
				for i := range list {
					n++
					f := mk(n, "rule", finding.High, now.Add(time.Duration(n)*time.Millisecond))
					f.ID = finding.NewID("h", "rule", f.Time, fmt.Append(nil, n))
					f.Host, f.Event = fmt.Sprint("h", n%12), event
					list[i] = f
				}
				save(b, s, tab, list, nil)
			}
			b.ReportMetric(float64((cpu()-started).Microseconds())/float64(b.N*size), "cpu-µs/finding")
		})
	}
}

// save routes findings into the store, and no more; edit changes what is saved.
func save(b *testing.B, s *store.Store, tab *router.Table, list []finding.Finding, edit func(*router.Changes)) {
	must(b, s.Work(b.Context(), func(tx *store.Tx) error {
		st := router.NewState(time.Now(), nil)
		ctx := context.Background()
		if err := tx.Load(ctx, tab.Needs(refs(list)), st); err != nil {
			return err
		}
		tab.Apply(st, refs(list))
		c := st.Changes()
		if edit != nil {
			edit(&c)
		}
		return tx.Save(ctx, c)
	}))
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
