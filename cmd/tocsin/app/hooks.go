package app

import (
	"os"
	"strings"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
	"github.com/tocsin-io/tocsin/rules"
)

// hookInfo is how this kernel gives an event.
type hookInfo struct {
	Hook   string `json:"hook,omitempty"`   // "lsm file_open"
	Reason string `json:"reason,omitempty"` // why there is none, or how the event is made

	unknown bool // the kernel could not be asked
}

func (h hookInfo) cell() table.Cell {
	switch {
	case h.Hook != "":
		return table.Cell{Text: h.Hook, Style: table.Green}
	case h.unknown:
		return table.Cell{Text: "? " + h.Reason, Style: table.Dim}
	case madeInUserSpace(h.Reason):
		return table.Cell{Text: "derived", Style: table.Green}
	}
	return table.Cell{Text: "none", Style: table.Yellow}
}

// madeInUserSpace tells from the reason for having no hook that the event needs none.
func madeInUserSpace(reason string) bool { return strings.HasPrefix(reason, "made in user space") }

// probe finds out what the kernel offers. Without the privileges the kernel refuses everything, which says nothing about it.
func probe() (*bpf.Features, error) {
	if err := bpf.CheckPrivileges(); err != nil {
		return nil, err
	}
	return bpf.Probe()
}

// probeHooks asks the kernel how it gives each of the events. Without the privilege every event's reason says so.
func probeHooks(e *env, names []string) map[string]hookInfo {
	out := map[string]hookInfo{}
	features, err := probe()
	if err != nil {
		why := "needs root"
		if os.Geteuid() == 0 {
			why = err.Error()
		}
		e.log.Debug("kernel not probed", "error", err)
		for _, n := range names {
			out[n] = hookInfo{Reason: why, unknown: true}
		}
		return out
	}
	for _, n := range names {
		c := features.Hooks(n)
		i := hookInfo{Reason: c.Reason}
		if c.Hook != nil {
			i.Hook = string(c.Hook.Kind)
			if c.Hook.Target != n {
				i.Hook += " " + c.Hook.Target
			}
		}
		out[n] = i
	}
	return out
}

// ruleText returns the text of the file that a rule was read from, or "".
func ruleText(file string) string {
	if name, ok := strings.CutPrefix(file, "builtin/"); ok {
		if b, err := rules.FS().Open(name); err == nil {
			defer b.Close()
			return readAll(b)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	return readAll(f)
}
