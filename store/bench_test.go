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
)

var benchAlerts = flag.Int("alerts", 20_000, "alerts in the store that BenchmarkQueries asks")

// BenchmarkQueries asks a SQLite store that holds many alerts. Run it with -alerts 1000000 for the size it is made for.
func BenchmarkQueries(b *testing.B) {
	s, err := store.Open(b.Context(), store.Options{SQLite: filepath.Join(b.TempDir(), "a.db"), NoSync: true})
	must(b, err)
	defer s.Close()
	tab := table(b, router.Config{Outputs: map[string]router.Output{}, Defaults: router.Group{By: []string{"rule", "host", "container", "pid"}}})
	start := time.Now().AddDate(0, -1, 0).UTC()
	rng := rand.New(rand.NewPCG(1, 2))
	techniques := finding.ATTACK().Techniques
	for n := 0; n < *benchAlerts; n += 1000 {
		list := make([]finding.Finding, 1000)
		for i := range list {
			id := n + i
			f := mk(id, fmt.Sprintf("rule%02d", rng.IntN(60)), finding.Severity(rng.IntN(5)), start.Add(time.Duration(id)*2600*time.Millisecond))
			f.Host = fmt.Sprintf("node-%03d", rng.IntN(200))
			f.Attack, _ = finding.ATTACK().Resolve(techniques[rng.IntN(len(techniques))].ID)
			f.Process.PID = uint32(id)
			list[i] = f
		}
		save(b, s, tab, list)
	}
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(b, f())
			}
		})
	}
	page := func(query string, sort string) func() error {
		m, err := match.ParseQuery(query)
		must(b, err)
		return func() error {
			_, _, err := s.Alerts(b.Context(), store.Filter{Match: m, Status: []string{"open"}}, store.Page{Limit: 100, Sort: sort})
			return err
		}
	}
	run("page", page("", ""))
	run("page/severity", page("severity=>=high", ""))
	run("page/technique", page("technique=T1055", ""))
	run("page/rule+host", page("rule=rule07 host=node-01*", ""))
	run("page/by-severity", page("", "-severity"))
	run("page/rare", page("host=node-007 severity=critical rule=rule1*", ""))
	run("text", func() error {
		_, _, err := s.Alerts(b.Context(), store.Filter{Text: "rule07 node-012"}, store.Page{Limit: 100})
		return err
	})
	run("facets", func() error {
		_, _, err := s.Facets(b.Context(), store.Filter{Status: []string{"open"}}, []string{"status", "severity", "rule", "host"}, 10)
		return err
	})
	run("histogram", func() error {
		_, err := s.Histogram(b.Context(), match.Matcher{}, "severity", time.Now().AddDate(0, 0, -30), time.Now(), time.Hour*6)
		return err
	})
	run("attack", func() error {
		_, _, err := s.Hits(b.Context(), time.Now().AddDate(0, 0, -30))
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
				save(b, s, tab, list)
			}
			b.ReportMetric(float64((cpu()-started).Microseconds())/float64(b.N*size), "cpu-µs/finding")
		})
	}
}

// save routes findings into the store, and no more.
func save(b *testing.B, s *store.Store, tab *router.Table, list []finding.Finding) {
	must(b, s.Work(b.Context(), func(tx *store.Tx) error {
		st := router.NewState(time.Now(), nil)
		ctx := context.Background()
		if err := tx.Load(ctx, tab.Needs(refs(list)), st); err != nil {
			return err
		}
		tab.Apply(st, refs(list))
		return tx.Save(ctx, st.Changes())
	}))
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
