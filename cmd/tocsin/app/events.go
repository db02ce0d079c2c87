package app

import (
	"fmt"
	"strings"

	"github.com/tocsin-io/tocsin/cmd/internal/filter"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/event"
)

type eventsCmd struct {
	Name string `arg:"" optional:"" help:"An event, a glob of names, or a set (proc, fs, net, …)."`
	output
}

func (eventsCmd) Help() string {
	return `Examples:
  tocsin events                            all events
  tocsin events net                        those of a set
  tocsin events syscalls                   every system call
  tocsin events security_socket_connect    one of them, with its arguments`
}

func (c *eventsCmd) Run(e *env) error { return listEvents(e, c.Name, c.json()) }

// eventInfo is one event as "-o json" shows it.
type eventInfo struct {
	Name      string     `json:"name"`
	Prototype string     `json:"prototype"`
	Doc       string     `json:"description"`
	Sets      []string   `json:"sets"`
	Derived   []string   `json:"derivedFrom,omitempty"`
	Args      []eventArg `json:"arguments"`
	hookInfo
}

type eventArg struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Values []string `json:"values,omitempty"` // names of the values or flags, where they have any
}

func listEvents(e *env, name string, asJSON bool) error {
	names := catalogueNames()
	if name != "" {
		found, err := filter.Expand(name)
		if err != nil {
			return usageError{err}
		}
		names = found
	}
	if len(names) == 1 && name == names[0] {
		info := describe(event.ByName(name), probeHooks(e, names))
		if asJSON {
			return writeJSON(e.stdout, info)
		}
		return showEvent(e, info)
	}
	if err := showEvents(e, names, asJSON); err != nil || name != "" || asJSON {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "\nEvery other system call is an event of its own name, with its arguments: %d of them, shown by \"tocsin events syscalls\".\n", len(event.Syscalls()))
	return err
}

// showEvents lists events, a line each.
func showEvents(e *env, names []string, asJSON bool) error {
	hooks := probeHooks(e, names)
	infos := make([]eventInfo, len(names))
	for i, n := range names {
		infos[i] = describe(event.ByName(n), hooks)
	}
	if asJSON {
		return writeJSON(e.stdout, infos)
	}
	t := table.New(e.stdout,
		table.Column{Title: "HOOK HERE"}, table.Column{Title: "SETS"}, table.Column{Title: "EVENT", Flex: true, Wrap: true})
	for _, i := range infos {
		hook := i.cell()
		hook.Text, _, _ = strings.Cut(hook.Text, " ") // which functions or system calls, or why none: "events NAME" tells
		t.Add(hook, table.Cell{Text: strings.Join(i.Sets, ","), Style: table.Dim}, table.T(i.Prototype))
	}
	return t.Flush()
}

// catalogueNames are the events that are listed when none is asked for: system calls that the catalogue does not have are not among them.
func catalogueNames() []string {
	names := []string{}
	for _, d := range event.All() {
		names = append(names, d.Name)
	}
	return names
}

func describe(d *event.Def, hooks map[string]hookInfo) eventInfo {
	i := eventInfo{Name: d.Name, Prototype: d.String(), Doc: d.Doc, Sets: d.Sets, Derived: d.Derived, Args: []eventArg{}, hookInfo: hooks[d.Name]}
	for _, a := range d.Args {
		i.Args = append(i.Args, eventArg{Name: a.Name, Type: a.Type, Values: a.Enc.Names()})
	}
	return i
}

func showEvent(e *env, i eventInfo) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\nSets       %s\n", i.Prototype, i.Doc, strings.Join(i.Sets, ", "))
	if len(i.Derived) > 0 {
		fmt.Fprintf(&b, "Made from  %s\n", strings.Join(i.Derived, ", "))
	}
	hook := i.cell().Text
	if hook == "none" {
		hook += ": " + i.Reason
	}
	fmt.Fprintf(&b, "Hook here  %s\n", hook)
	if len(i.Args) > 0 {
		b.WriteString("\n")
	}
	if _, err := fmt.Fprint(e.stdout, b.String()); err != nil || len(i.Args) == 0 {
		return err
	}
	t := table.New(e.stdout, table.Column{Title: "ARGUMENT"}, table.Column{Title: "TYPE"}, table.Column{Title: "VALUES", Flex: true, Wrap: true})
	for _, a := range i.Args {
		t.Add(table.T(a.Name), table.T(a.Type), table.Cell{Text: strings.Join(a.Values, " "), Style: table.Dim})
	}
	return t.Flush()
}
