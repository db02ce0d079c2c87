package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func group(log *[]string, names ...string) *Group {
	g := New(slog.New(slog.DiscardHandler))
	for _, name := range names {
		g.Add(name, func(context.Context) (Stop, error) {
			if strings.HasPrefix(name, "bad") {
				return nil, errors.New("no luck")
			}
			*log = append(*log, "+"+name)
			return func(context.Context) error { *log = append(*log, "-"+name); return nil }, nil
		})
	}
	return g
}

func TestStopsInReverseOnce(t *testing.T) {
	var log []string
	g := group(&log, "a", "b", "c")
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"+a", "+b", "+c", "-c", "-b", "-a"}; !slices.Equal(log, want) {
		t.Errorf("%v", log)
	}
}

func TestRollsBackPartialStart(t *testing.T) {
	var log []string
	err := group(&log, "a", "b", "bad", "c").Start(t.Context())
	if err == nil || err.Error() != "start bad: no luck" {
		t.Errorf("%v", err)
	}
	if want := []string{"+a", "+b", "-b", "-a"}; !slices.Equal(log, want) {
		t.Errorf("%v", log)
	}
}

func TestRunEndsWhenAPartFails(t *testing.T) {
	var log []string
	g := group(&log, "a")
	fail := make(chan struct{})
	g.AddRun("worker", func(ctx context.Context) error { <-fail; return errors.New("disk full") })
	err := g.Run(t.Context(), func() { close(fail) })
	if err == nil || !strings.Contains(err.Error(), "worker: disk full") {
		t.Errorf("%v", err)
	}
	if !slices.Equal(log, []string{"+a", "-a"}) {
		t.Errorf("%v", log)
	}
}

func TestRunStopsWorkersBeforeWhatTheyUse(t *testing.T) {
	var log []string
	g := group(&log, "store")
	g.AddRun("worker", func(ctx context.Context) error { <-ctx.Done(); log = append(log, "-worker"); return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Run(ctx, cancel); err != nil {
		t.Fatal(err)
	}
	if want := []string{"+store", "-worker", "-store"}; !slices.Equal(log, want) {
		t.Errorf("%v", log)
	}
}
