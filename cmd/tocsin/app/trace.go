package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/cmd/internal/filter"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/detect/enrich"
	"github.com/tocsin-io/tocsin/detect/enrich/runtimes"
	"github.com/tocsin-io/tocsin/event"
)

type traceCmd struct {
	Events    []string      `short:"e" sep:"none" placeholder:"NAME" help:"Events: a name, a glob, a set, several with commas, those with a - before them left out; or a condition NAME.ARG=VALUE with = != < <= > >=, globs, flags as A|B (both set), and networks for addresses. May be repeated."`
	List      bool          `short:"l" help:"List the events instead: all, or those of -e."`
	Origin    []string      `help:"Only events of host, container or container-init."`
	PID       []uint32      `name:"pid" help:"Only these processes, by their id on the host."`
	Comm      []string      `help:"Only tasks with these names; globs."`
	Container []string      `help:"Only these containers, by (the beginning of) their id, or a glob on their name."`
	UID       []string      `name:"uid" placeholder:"UID|NAME" help:"Only tasks of these users, by id, or by the name that this host has for them."`
	Cgroup    []string      `placeholder:"PATH|ID" help:"Only tasks in these control groups, not those below: the folder under /sys/fs/cgroup, or its inode number."`
	MntNS     []uint32      `name:"mntns" placeholder:"INODE" help:"Only tasks in these mount namespaces (stat -Lc %i /proc/PID/ns/mnt)."`
	PidNS     []uint32      `name:"pidns" placeholder:"INODE" help:"Only tasks in these pid namespaces (stat -Lc %i /proc/PID/ns/pid)."`
	Output    string        `short:"o" default:"table" help:"Form of the output: table, json (one event a line), go-template=TEMPLATE over the JSON document, or none."`
	Record    string        `placeholder:"FILE" help:"Also write the events to FILE, one JSON document a line, for tocsin replay."`
	Duration  time.Duration `placeholder:"TIME" help:"Stop after that time, such as 10s or 5m."`
	ShowEnv   bool          `help:"Show the values of environments, which hold secrets; without it only those that rules look at."`
	Count     uint64        `short:"n" placeholder:"N" help:"Stop after N events."`
}

func (traceCmd) Help() string {
	return `Examples:
  tocsin trace -e security_socket_connect
  tocsin trace -e 'security_socket_connect.remote_addr=*docker.sock*' --origin container
  tocsin trace -e 'security_file_open.pathname=/etc/*' -e 'security_file_open.flags=O_WRONLY'
  tocsin trace -e sched_process_exec -o 'go-template={{.processName}} {{.executable.path}}'
  tocsin trace -e openat --pid 1234 -o json
  tocsin trace -e 'fs,-openat' --uid www-data
  tocsin trace -e net --duration 30s --record events.jsonl

The kernel itself applies what it can: events, origins, pids, users, commands, control groups, namespaces; whole texts, what they
begin with or end in; numbers, flags, ports and addresses. The rest is looked at here, and counted as filtered out at the end.`
}

func (c *traceCmd) Run(e *env) error {
	if c.List && len(c.Events) == 0 {
		return listEvents(e, "", c.Output == "json")
	}
	if len(c.Events) == 0 {
		return usagef("name the events with -e (tocsin trace -l lists them)")
	}
	uids, err := userIDs(c.UID)
	if err != nil {
		return usageError{err}
	}
	cgroups, err := cgroupIDs(c.Cgroup)
	if err != nil {
		return usageError{err}
	}
	f, err := filter.Parse(c.Events, filter.Scope{
		Origins: c.Origin, PIDs: c.PID, UIDs: uids, Comms: c.Comm, Containers: c.Container, Cgroups: cgroups, MntNS: c.MntNS, PidNS: c.PidNS,
	})
	if err != nil {
		return usageError{err}
	}
	if c.List {
		return showEvents(e, f.Names(), c.Output == "json")
	}
	out, err := newEventWriter(e.stdout, c.Output, f.Names(), c.Origin)
	if err != nil {
		return usageError{err}
	}
	out.env = c.ShowEnv
	if err := privileges(); err != nil {
		return err
	}
	left, err := withoutHook(f, probeHooks(e, f.Names()))
	if err != nil {
		return err
	}
	if len(left) > 0 {
		fmt.Fprintf(e.stderr, "Left out, as this kernel cannot show them (tocsin doctor says why): %s.\n", strings.Join(left, ", "))
	}
	if c.Record != "" {
		file, err := os.OpenFile(c.Record, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		out.record = bufio.NewWriter(file)
	}
	return c.trace(e, f, out)
}

// withoutHook takes out of the filter the events that the kernel cannot give, where a glob or a set brought them in, and returns
// their names. Who names one by itself waits for it in vain, and is told.
func withoutHook(f *filter.Filter, hooks map[string]hookInfo) ([]string, error) {
	var left []string
	for _, n := range f.Names() {
		h := hooks[n]
		if h.Hook != "" || h.unknown || madeInUserSpace(h.Reason) {
			continue
		}
		if f.Named(n) {
			return nil, fmt.Errorf("this kernel cannot show %s: %s", n, h.Reason)
		}
		left = append(left, n)
	}
	f.Remove(left)
	if len(f.Names()) == 0 {
		return nil, fmt.Errorf("this kernel can show none of %s; tocsin doctor says why", strings.Join(left, ", "))
	}
	return left, nil
}

// userIDs returns the ids of users that are given by their ids or names.
func userIDs(names []string) ([]uint32, error) {
	var out []uint32
	for _, n := range names {
		id := n
		if _, err := strconv.ParseUint(n, 10, 32); err != nil {
			u, err := user.Lookup(n)
			if err != nil {
				return nil, fmt.Errorf("--uid: %q is no user of this host and no user id", n)
			}
			id = u.Uid
		}
		v, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--uid: user %s: %w", n, err)
		}
		out = append(out, uint32(v))
	}
	return out, nil
}

// cgroupIDs returns the ids of control groups that are given by their folders or ids.
func cgroupIDs(names []string) ([]uint64, error) {
	var out []uint64
	for _, n := range names {
		id, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			info, err := os.Stat(n)
			if err != nil || !info.IsDir() {
				return nil, fmt.Errorf("control group %q: give its folder, such as /sys/fs/cgroup/system.slice/ssh.service, or the inode number of that", n)
			}
			id = info.Sys().(*syscall.Stat_t).Ino
		}
		out = append(out, id)
	}
	return out, nil
}

// inHierarchy refuses folders of another tree of control groups than the one at mount, to which the events' ids belong: version 1
// has many, and each numbers its groups on its own.
func inHierarchy(names []string, mount string) error {
	tree, err := os.Stat(mount)
	if err != nil {
		return nil // not mounted here: nothing to compare with
	}
	for _, n := range names {
		info, err := os.Stat(n)
		if err == nil && info.Sys().(*syscall.Stat_t).Dev != tree.Sys().(*syscall.Stat_t).Dev {
			return usagef("control group %q: events carry the groups of the tree at %s: give the folder there", n, mount)
		}
	}
	return nil
}

func (c *traceCmd) trace(e *env, f *filter.Filter, out *eventWriter) (err error) {
	kernel, err := bpf.Open(bpf.Options{})
	if err != nil {
		return err
	}
	defer kernel.Close()
	mount, hierarchy := kernel.CgroupHierarchy()
	if err := inHierarchy(c.Cgroup, mount); err != nil {
		return err
	}
	if err := kernel.Select(f.Selections()); err != nil {
		return err
	}
	// When nobody reads the output any more (| head), the recording is still to be completed and the counts told.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	if c.Duration > 0 {
		timer := time.AfterFunc(c.Duration, func() { cancel(nil) })
		defer timer.Stop()
	}
	if out.table != nil {
		fmt.Fprintf(e.stderr, "Watching %s. Ctrl-C ends it.\n", watched(f.Names()))
		if err := out.table.Header(); err != nil {
			return err
		}
	}
	counts := map[string]uint64{}
	var seen, shown uint64
	began := time.Now()
	show := func(ev *event.Event) {
		if ctx.Err() != nil {
			return
		}
		seen++
		if !f.Match(ev) {
			return
		}
		shown++
		counts[ev.Def.Name]++
		if err := out.write(ev); err != nil {
			cancel(err)
		}
		if c.Count > 0 && shown >= c.Count {
			cancel(nil)
		}
	}
	names, err := runtimes.New(runtimes.Options{})
	if err != nil {
		return err
	}
	defer names.Close()
	enricher := enrich.New(enrich.Options{CgroupMount: mount, CgroupHierarchy: hierarchy, Resolve: names, Derive: show, Logger: e.log})
	defer enricher.Close()
	enricher.Select(f.Selections())
	err = kernel.Run(ctx, func(ev *event.Event) {
		enricher.Apply(ev)
		if ev.Flags&event.FlagUnselected == 0 {
			show(ev)
		}
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	if err := cmp.Or(err, out.flush()); err != nil { // a failed write is told by flush again
		return err
	}
	stats, err := kernel.Stats()
	if err != nil {
		return err
	}
	c.summary(e, counts, shown, seen-shown, time.Since(began), stats)
	return nil
}

// watched names the events, or how many there are.
func watched(names []string) string {
	if len(names) > 4 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more events", len(names)-3)
	}
	return strings.Join(names, ", ")
}

// summary tells on standard error what was shown, and what was lost.
func (c *traceCmd) summary(e *env, counts map[string]uint64, shown, filtered uint64, took time.Duration, stats bpf.Stats) {
	names := make([]string, 0, len(counts))
	for n := range counts {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b]) - int(counts[a])
		}
		return strings.Compare(a, b)
	})
	fmt.Fprintf(e.stderr, "\n%s in %v", plural(int(shown), "event"), took.Round(100*time.Millisecond))
	for i, n := range names {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(e.stderr, "%s%s %d", sep, n, counts[n])
	}
	if filtered > 0 {
		fmt.Fprintf(e.stderr, "; %d filtered out", filtered)
	}
	if lost := lossText(stats); lost != "" {
		fmt.Fprintf(e.stderr, "\nLOST: %s", lost)
	} else {
		fmt.Fprint(e.stderr, "; none lost")
	}
	fmt.Fprintln(e.stderr)
}

// narrow is the width below which a terminal leaves too little to the arguments.
const narrow = 100

// eventWriter writes events in the form that the user chose.
type eventWriter struct {
	w        *bufio.Writer
	table    *table.Writer
	template *template.Template
	json     bool
	record   *bufio.Writer
	clock    string // how the table writes a time
	command  int    // widths of columns, in cells
	where    int
	name     bool // the events have different names: show them
	place    bool // … and places
	env      bool // show environments
	buf      []byte
}

func newEventWriter(w io.Writer, form string, names, origins []string) (*eventWriter, error) {
	out := &eventWriter{w: bufio.NewWriter(w), name: len(names) > 1, place: !slices.Equal(origins, []string{"host"})}
	text, isTemplate := strings.CutPrefix(form, "go-template=")
	switch {
	case isTemplate:
		t, err := template.New("output").Option("missingkey=zero").Parse(traceeFields.ReplaceAllStringFunc(text, fieldName))
		if err != nil {
			return nil, err
		}
		out.template = t
	case form == "json":
		out.json = true
	case form == "none":
	case form == "table":
		width := 12
		for _, n := range names {
			width = max(width, len(n))
		}
		out.clock, out.command, out.where = "15:04:05.000", 15, 12
		name := 27
		if terminal, _ := table.Terminal(w); terminal > 0 && terminal < narrow { // the arguments need room more than all else
			out.clock, out.command, out.where, name = "15:04:05", 10, 7, 23
		}
		cols := []table.Column{{Title: "TIME", Width: len(out.clock)}, {Title: "PID", Width: 7, Right: true}, {Title: "COMMAND", Width: out.command}}
		if out.place {
			cols = append(cols, table.Column{Title: "WHERE", Width: out.where})
		}
		if out.name {
			cols = append(cols, table.Column{Title: "EVENT", Width: min(width, name)})
		}
		out.table = table.New(w, append(cols, table.Column{Title: "ARGUMENTS", Flex: true})...)
	default:
		return nil, fmt.Errorf("output %q: use table, json, go-template=TEMPLATE or none", form)
	}
	return out, nil
}

// traceeFields finds fields in a template as Tracee writes them, by the names of Go (.ProcessName), past quoted text.
var traceeFields = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\x60[^\x60]*\x60|\.[A-Z]\w*`)

// fieldName gives such a field the name that it has in the document: .processName, .hostProcessId, .mountNamespace.
func fieldName(text string) string {
	name, ok := strings.CutPrefix(text, ".")
	if !ok {
		return text
	}
	switch name {
	case "MountNS":
		return ".mountNamespace"
	case "PIDNS":
		return ".pidNamespace"
	case "PodUID":
		return ".podUID"
	case "ID": // of a container
		return ".id"
	}
	name = strings.ToLower(name[:1]) + name[1:]
	if head, ok := strings.CutSuffix(name, "ID"); ok {
		name = head + "Id"
	}
	return "." + name
}

func (w *eventWriter) write(ev *event.Event) error {
	if w.json || w.template != nil || w.record != nil {
		if w.env {
			w.buf = ev.AppendJSON(w.buf[:0])
		} else {
			w.buf = ev.AppendRedactedJSON(w.buf[:0])
		}
		w.buf = append(w.buf, '\n')
	}
	if w.record != nil {
		if _, err := w.record.Write(w.buf); err != nil {
			return err
		}
	}
	switch {
	case w.table != nil:
		return w.row(ev)
	case w.json:
		if _, err := w.w.Write(w.buf); err != nil {
			return err
		}
		return w.w.Flush()
	case w.template != nil:
		var doc map[string]any
		dec := json.NewDecoder(strings.NewReader(string(w.buf)))
		dec.UseNumber()
		if err := dec.Decode(&doc); err != nil {
			return err
		}
		if err := w.template.Execute(w.w, doc); err != nil {
			return err
		}
		if err := w.w.WriteByte('\n'); err != nil {
			return err
		}
		return w.w.Flush()
	}
	return nil
}

func (w *eventWriter) row(ev *event.Event) error {
	cells := []table.Cell{
		{Text: time.Unix(0, int64(ev.Timestamp)).Format(w.clock), Style: table.Dim},
		{Text: fmt.Sprint(ev.HostPID)},
		{Text: runewidth.Truncate(ev.CommString(), w.command, "…")},
	}
	if w.place {
		cells = append(cells, table.T(runewidth.Truncate(place(ev), w.where, "…")))
	}
	if w.name {
		cells = append(cells, table.Cell{Text: ev.Def.Name, Style: table.Cyan})
	}
	return w.table.Row(append(cells, table.T(argsText(ev, w.env)))...)
}

// flush completes the recording. The rest of the output is written event by event.
func (w *eventWriter) flush() error {
	if w.record == nil {
		return nil
	}
	return w.record.Flush()
}

// place names where an event happened, in 12 cells: host, or the container's name or id.
func place(ev *event.Event) string {
	switch {
	case ev.Container == nil:
		return ev.Origin().String()
	case ev.Container.Name != "":
		return ev.Container.Name[:min(12, len(ev.Container.Name))]
	}
	return ev.Container.ID[:min(12, len(ev.Container.ID))]
}

// leading arguments say most of what happened: they come first in a row, and without their names.
var leading = []string{"pathname", "file_path", "path", "binary.path", "remote_addr", "local_addr", "addr", "argv", "dns_questions", "dns_response", "http_request"}

// trailing arguments identify what the leading ones name, or are seldom looked at: they come last.
var trailing = []string{"ctime", "dev", "inode", "dirfd", "sockfd", "_type", "_mode", "cmdpath", "from_kernel", "interp", "interpreter_pathname", "syscall"}

// rowOrder returns the order in which a row shows an event's arguments, and how many of them lead.
func rowOrder(def *event.Def) (order []int, lead int) {
	for _, name := range leading {
		if i := def.Arg(name); i >= 0 {
			order = append(order, i)
		}
	}
	lead = len(order)
	var last []int
	for i := range def.Args {
		switch {
		case slices.Contains(order[:lead], i):
		case slices.ContainsFunc(trailing, func(s string) bool { return strings.HasSuffix(def.Args[i].Name, s) }):
			last = append(last, i)
		default:
			order = append(order, i)
		}
	}
	return append(order, last...), lead
}

// argsText writes the arguments for people. Environments drown the rest: they are left out unless asked for.
func argsText(ev *event.Event, env bool) string {
	var b strings.Builder
	order, lead := rowOrder(ev.Def)
	for at, i := range order {
		a := &ev.Def.Args[i]
		if !ev.Has(i) || !env && a.Enc == event.EncEnviron {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if at >= lead {
			b.WriteString(a.Name)
			b.WriteByte('=')
		}
		switch a.Kind {
		case event.KindSockaddr:
			b.WriteString(filter.Address(ev.Sockaddr(i)))
		case event.KindStrings:
			n := 0
			b.WriteByte('[')
			for _, s := range ev.StrList(i) {
				if n > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(s)
				n++
			}
			b.WriteByte(']')
		case event.KindJSON:
			b.WriteString(packetText(a.Type, ev.Bytes(i)))
		default:
			b.WriteString(ev.ArgText(i))
		}
	}
	if ev.Return != 0 {
		fmt.Fprintf(&b, " → %d", ev.Return)
	}
	return b.String()
}
