package app

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/bpf"
	"github.com/tocsin-io/tocsin/cmd/internal/table"
)

type doctorCmd struct {
	configFile
	All bool `short:"a" help:"Show the hook of every event, not only of those that this kernel cannot give."`
	output
}

// Verdicts of a check.
const (
	verdictOK      = "ok"
	verdictWarning = "warning" // it works, with less
	verdictMissing = "missing" // tocsin run would not work
	verdictNone    = "none"    // there is nothing to check
)

// check is one line of the doctor's table.
type check struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
	Advice  string `json:"advice,omitempty"`
}

// diagnosis is what doctor shows.
type diagnosis struct {
	OK     bool        `json:"ok"`
	Checks []check     `json:"checks"`
	Kinds  []check     `json:"hooks"`
	Events []eventHook `json:"events"`
}

type eventHook struct {
	Event string `json:"event"`
	hookInfo
}

func (c *doctorCmd) Run(e *env) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	d := diagnosis{OK: true, Checks: []check{checkKernel(), checkBTF(), checkPrivileges(), checkRunc(), checkDataDir(cfg.DataDir), checkListen(cfg.Server.Listen)}}
	d.Checks = append(d.Checks, checkRunning(e.ctx, cfg)...)
	d.Kinds = checkKinds()
	for _, x := range d.Checks {
		d.OK = d.OK && x.Verdict != verdictMissing
	}
	names := catalogueNames()
	hooks := probeHooks(e, names)
	for _, n := range names {
		d.Events = append(d.Events, eventHook{n, hooks[n]})
	}
	if c.json() {
		if err := writeJSON(e.stdout, d); err != nil {
			return err
		}
	} else if err := c.table(e, d); err != nil {
		return err
	}
	if !d.OK {
		return errFailed
	}
	return nil
}

func (c *doctorCmd) table(e *env, d diagnosis) error {
	styles := map[string]table.Style{verdictOK: table.Green, verdictWarning: table.Yellow, verdictMissing: table.Red, verdictNone: table.Dim}
	t := table.New(e.stdout, table.Column{Title: "CHECK"}, table.Column{Title: "RESULT"}, table.Column{Title: "DETAIL", Flex: true, Wrap: true})
	for _, x := range slices.Concat(d.Checks, d.Kinds) {
		text := x.Detail
		if x.Advice != "" {
			text += ": " + x.Advice
		}
		t.Add(table.T(x.Name), table.Cell{Text: x.Verdict, Style: styles[x.Verdict]}, table.T(text))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	t = table.New(e.stdout, table.Column{Title: "EVENT"}, table.Column{Title: "HOOK"}, table.Column{Title: "WHY NOT", Flex: true, Wrap: true})
	seen := 0
	for _, x := range d.Events {
		usable := x.Hook != "" || madeInUserSpace(x.Reason)
		if usable {
			seen++
		}
		if c.All || !usable && !x.unknown {
			t.Add(table.T(x.Event), x.cell(), table.T(x.Reason))
		}
	}
	if t.Len() > 0 {
		fmt.Fprintln(e.stdout)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if seen > 0 {
		fmt.Fprintf(e.stdout, "\nThis kernel gives %d of %s", seen, plural(len(d.Events), "event"))
		if !c.All {
			fmt.Fprint(e.stdout, " (tocsin doctor --all shows their hooks)")
		}
		fmt.Fprintln(e.stdout, ".")
	} else {
		fmt.Fprintln(e.stdout, "\nWhich events this kernel gives can be told once nothing is missing.")
	}
	return nil
}

func checkKernel() check {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return check{"kernel", verdictMissing, err.Error(), ""}
	}
	release := unix.ByteSliceToString(u.Release[:])
	c := check{Name: "kernel", Verdict: verdictOK, Detail: release + " " + unix.ByteSliceToString(u.Machine[:])}
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err == nil && (major < 5 || major == 5 && minor < 8) {
		c.Verdict, c.Advice = verdictMissing, "Linux 5.8 or later is needed"
	}
	return c
}

func checkBTF() check {
	const path = "/sys/kernel/btf/vmlinux"
	if info, err := os.Stat(path); err == nil {
		return check{"type information", verdictOK, fmt.Sprintf("%s, %d KiB", path, info.Size()>>10), ""}
	}
	return check{"type information", verdictMissing, path + " is not there", "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys into the container"}
}

func checkPrivileges() check {
	if err := bpf.CheckPrivileges(); err != nil {
		return check{"privileges", verdictMissing, strings.ReplaceAll(err.Error(), "\n", "; "), ""}
	}
	return check{"privileges", verdictOK, "BPF programs can be loaded", ""}
}

// checkKinds says which ways to attach the kernel offers.
func checkKinds() []check {
	f, err := probe()
	if err != nil {
		return nil
	}
	var out []check
	for _, k := range []bpf.Kind{bpf.LSM, bpf.Fentry, bpf.Fexit, bpf.Kprobe, bpf.Tracepoint, bpf.SysExit, bpf.Scan, bpf.CgroupSKB} {
		c := check{Name: "hook " + string(k), Verdict: verdictOK, Detail: "usable"}
		if why := f.Missing[k]; why != "" {
			c.Verdict, c.Detail = verdictWarning, why
			switch k {
			case bpf.Tracepoint:
				c.Verdict = verdictMissing
			case bpf.Scan:
				c.Advice = "changes of the kernel itself are not found"
			case bpf.CgroupSKB:
				c.Advice = "DNS and HTTP are not seen, and net_tcp_connect has no names"
			default:
				c.Advice = "events use another hook"
			}
		}
		out = append(out, c)
	}
	return out
}

func checkRunc() check {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, "runc")
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return check{"runc", verdictOK, path, ""}
		}
	}
	return check{"runc", verdictWarning, "not in the PATH", "tocsin simulate needs it for the rules about containers"}
}

func checkDataDir(dir string) check {
	c := check{Name: "data directory", Verdict: verdictOK, Detail: dir}
	at := dir
	for {
		info, err := os.Stat(at)
		if err == nil {
			if !info.IsDir() {
				c.Verdict, c.Advice = verdictMissing, at+" is no directory: choose another with --data-dir"
			} else if err := unix.Access(at, unix.W_OK); err != nil {
				c.Verdict, c.Advice = verdictMissing, "cannot be written: run as root (sudo), or choose another with --data-dir"
			}
			return c
		}
		if !errors.Is(err, os.ErrNotExist) || at == filepath.Dir(at) {
			c.Verdict, c.Advice = verdictMissing, err.Error()
			return c
		}
		at = filepath.Dir(at)
	}
}

func checkListen(addr string) check {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
		return check{"API address", verdictOK, addr + " is free", ""}
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return check{"API address", verdictWarning, addr + " is in use", "Tocsin may be running already, else choose another with server.listen or --listen"}
	}
	return check{"API address", verdictMissing, err.Error(), ""}
}

// privileges says what is missing to watch the kernel, and how to get it.
func privileges() error {
	if err := bpf.CheckPrivileges(); err != nil {
		return fmt.Errorf("this needs to load BPF programs:\n  %s\ntocsin doctor shows all that is needed", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return nil
}

// lossText names what was lost, by event and cause; empty when nothing was.
func lossText(s bpf.Stats) string {
	var parts []string
	names := make([]string, 0, len(s.Events))
	for n := range s.Events {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		x := s.Events[n]
		for _, l := range []struct {
			count uint64
			why   string
		}{{x.LostRing, "ring buffer full"}, {x.LostScratch, "too many at once on one CPU"}, {x.LostBudget, "over its control group's budget"}} {
			if l.count > 0 {
				parts = append(parts, fmt.Sprintf("%s %d (%s)", n, l.count, l.why))
			}
		}
	}
	if s.Undecoded > 0 {
		parts = append(parts, fmt.Sprintf("%d malformed", s.Undecoded))
	}
	if s.Unscanned > 0 {
		parts = append(parts, fmt.Sprintf("%d looks through the kernel's memory failed (%v)", s.Unscanned, s.ScanError))
	}
	for _, cause := range slices.Sorted(maps.Keys(s.Unseen)) {
		parts = append(parts, fmt.Sprintf("%d packets not understood (%s)", s.Unseen[cause], cause))
	}
	for _, place := range slices.Sorted(maps.Keys(s.Missed)) {
		parts = append(parts, fmt.Sprintf("%d calls of the program on %s left out by the kernel", s.Missed[place], place))
	}
	return strings.Join(parts, ", ")
}
