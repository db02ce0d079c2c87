package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/finding"
	"github.com/tocsin-io/tocsin/store"
)

// alertWriter writes alerts as they come: rows of a table, or one JSON document a line.
type alertWriter struct {
	enc   *json.Encoder
	table *table.Writer
	begun bool
}

func newAlertWriter(w io.Writer, asJSON bool) *alertWriter {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return &alertWriter{enc: enc}
	}
	return &alertWriter{table: table.New(w, table.Column{Title: "TIME", Width: 8}, table.Column{Title: "SEVERITY", Width: 8},
		table.Column{Title: "RULE", Width: 28}, table.Column{Title: "ATT&CK", Width: 9}, table.Column{Title: "WHERE", Width: 14},
		table.Column{Title: "COUNT", Width: 5, Right: true}, table.Column{Title: "WHAT", Flex: true})}
}

func (w *alertWriter) write(a *finding.Alert) error {
	if w.enc != nil {
		return w.enc.Encode(a)
	}
	if !w.begun {
		w.begun = true
		if err := w.table.Header(); err != nil {
			return err
		}
	}
	return w.table.Row(alertCells(a, a.LastSeen.Local().Format("15:04:05"))...)
}

// alertCells is one alert as a row.
func alertCells(a *finding.Alert, when string) []table.Cell {
	technique := ""
	if len(a.Attack) > 0 {
		technique = techniques(a.Attack[:1])
	}
	return []table.Cell{
		{Text: when, Style: table.Dim},
		severityCell(a.Severity), table.T(a.Rule.ID),
		{Text: technique, Style: table.Dim},
		table.T(where(a.Container, a.Kubernetes, a.Host)), table.T(fmt.Sprint(a.Count)), table.T(what(a)),
	}
}

// what says who did it and to what: the command line and the event's telling argument, or else the message, without
// the rule's name that stands beside it.
func what(a *finding.Alert) string {
	p := a.Process
	if p == nil || len(p.Args) == 0 {
		text := strings.TrimPrefix(a.Message, a.Rule.Name+": ")
		if text == "" && p != nil { // from elsewhere, such as Tracee: the rule's id may be but a number
			return a.Rule.Name + ": " + processText(p)
		}
		return first(text, a.Rule.Name)
	}
	if t := target(a.Finding); t != "" {
		return strings.Join(p.Args, " ") + " → " + t + processNote(p)
	}
	return processText(p)
}

// telling are the arguments that say what an event was done to, the most telling first.
var telling = []string{"remote_addr", "dst", "pathname", "new_path", "file_path", "linkpath", "path", "file_name", "name"}

// target returns what a finding's event was done to; empty when the command line says it.
func target(f *finding.Finding) string {
	if f == nil || len(f.Event) == 0 {
		return ""
	}
	var ev struct {
		Name string `json:"eventName"`
		Args []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"args"`
	}
	if json.Unmarshal(f.Event, &ev) != nil || ev.Name == "sched_process_exec" {
		return ""
	}
	for _, name := range telling {
		for _, a := range ev.Args {
			if a.Name != name {
				continue
			}
			var text string
			if json.Unmarshal(a.Value, &text) == nil {
				return text
			}
			var addr map[string]string
			if json.Unmarshal(a.Value, &addr) == nil {
				return addressText(addr)
			}
		}
	}
	return ""
}

func addressText(a map[string]string) string {
	switch a["sa_family"] {
	case "AF_UNIX":
		return a["sun_path"]
	case "AF_INET":
		return net.JoinHostPort(a["sin_addr"], a["sin_port"])
	case "AF_INET6":
		return net.JoinHostPort(a["sin6_addr"], a["sin6_port"])
	}
	return a["sa_family"]
}

const (
	followPage  = 200
	followPause = 200 * time.Millisecond // between looks, so that a storm of findings is a few rows
	followKeep  = 10_000
)

// follow writes each alert that comes up or counts on from now, until ctx is done; then those that came last.
func follow(ctx context.Context, s *store.Store, w *alertWriter) error {
	changed, stop := s.Watch()
	defer stop()
	f := follower{store: s, out: w, counts: map[string]uint64{}, since: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return f.look(context.WithoutCancel(ctx))
		case <-changed:
		}
		if err := f.look(ctx); err != nil {
			if ctx.Err() == nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}

// follower is what has been written so far.
type follower struct {
	store  *store.Store
	out    *alertWriter
	counts map[string]uint64
	since  time.Time
}

// look writes what has changed.
func (f *follower) look(ctx context.Context) error {
	for {
		alerts, _, err := f.store.Alerts(ctx, store.Filter{Since: f.since}, store.Page{Sort: "last_seen", Limit: followPage})
		if err != nil {
			return err
		}
		for i := range alerts {
			a := &alerts[i]
			if f.counts[a.ID] != a.Count {
				f.counts[a.ID] = a.Count
				if err := f.out.write(a); err != nil {
					return err
				}
			}
		}
		if len(f.counts) > followKeep {
			clear(f.counts)
		}
		if len(alerts) == 0 || alerts[len(alerts)-1].LastSeen.Equal(f.since) {
			return nil
		}
		f.since = alerts[len(alerts)-1].LastSeen // the last one is read again, which its count tells
		if len(alerts) < followPage {
			return nil
		}
	}
}
