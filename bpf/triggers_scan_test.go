package bpf

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// The module that does what rootkits do (test/kernel/module); the harness brings it into the machine.
const (
	rootkitFile    = "/modules/tocsin_rootkit.ko"
	rootkitControl = "/sys/kernel/debug/tocsin_rootkit/control"
)

func rootkit(t *testing.T) string {
	if _, err := os.Stat(rootkitFile); err != nil {
		t.Skip("the test's kernel module is not at hand (" + rootkitFile + ")")
	}
	t.Cleanup(func() {
		removeRootkit()
		time.Sleep(5 * scanEvery) // what it did is seen to be gone
	})
	return ""
}

// doing returns a child that loads the module and makes it do something.
func doing(what string) func(string) {
	return func(string) {
		fd, err := unix.Open(rootkitFile, unix.O_RDONLY, 0)
		check("open", err)
		check("load", unix.FinitModule(fd, "do="+what+" table=0x"+addressOf("sys_call_table"), 0))
	}
}

func removeRootkit() {
	_ = os.WriteFile(rootkitControl, []byte("undo"), 0)
	_ = unix.DeleteModule("tocsin_rootkit", 0)
}

func addressOf(symbol string) string {
	f, err := os.Open("/proc/kallsyms")
	check("kallsyms", err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[2] == symbol {
			return fields[0]
		}
	}
	return "0"
}

func args1(name, value string) func(string, int) map[string]string {
	return func(string, int) map[string]string { return map[string]string{name: value} }
}

func init() {
	const (
		iterate = `{"SymbolName":"iterate_shared","ModuleOwner":"tocsin_rootkit","Path":"/proc"}`
		show    = `{"tcp4_seq_ops_show":{"SymbolName":"hooked_show","ModuleOwner":"tocsin_rootkit"}}`
	)
	syscall := func(string, int) map[string]string {
		return map[string]string{"syscall": "acct", "address": "*", "function": "hooked_acct", "owner": "tocsin_rootkit"}
	}
	hidden := func(string, int) map[string]string {
		return map[string]string{"name": "tocsin_rootkit", "address": "*", "srcversion": "*"}
	}
	for _, tr := range []trigger{
		{name: "system-call table", event: "hooked_syscall", child: doing("syscall"), expect: syscall},
		{name: "system-call table, by a hidden module", event: "hooked_syscall", child: doing("syscall,hide"), expect: syscall},
		{name: "operations of a folder", event: "hooked_proc_fops", child: doing("fops"), expect: args1("hooked_fops_pointers", "["+iterate+"]")},
		{name: "operations of an inode", event: "hooked_proc_fops", child: doing("iops"), expect: args1("hooked_fops_pointers",
			`[{"SymbolName":"struct file_operations pointer","ModuleOwner":"tocsin_rootkit","Path":"/proc"},`+iterate+"]")},
		{name: "sequence operation", event: "hooked_seq_ops", child: doing("seq"), expect: args1("hooked_seq_ops", show)},
		{name: "sequence operations of an entry", event: "hooked_seq_ops", child: doing("seqptr"), expect: args1("hooked_seq_ops", show)},
		{name: "hidden module", event: "hidden_kernel_module", child: doing("hide"), expect: hidden},
		{name: "function traced by a module", event: "ftrace_hook", child: doing("ftrace"), expect: func(string, int) map[string]string {
			return map[string]string{
				"symbol": "__x64_sys_acct", "trampoline": "*", "callback": "traced", "callback_offset": "0", "callback_owner": "tocsin_rootkit", "flags": "R I", "count": "1",
			}
		}},
	} {
		tr.setup, tr.scan, tr.undo = rootkit, true, removeRootkit
		triggers = append(triggers, tr)
	}
	triggers = append(triggers, trigger{
		name: "file in debugfs", event: "debugfs_create_file", setup: rootkit, child: doing(""), expect: func(string, int) map[string]string {
			return map[string]string{"file_name": "control", "path": "/tocsin_rootkit", "mode": "S_IWUSR", "proc_ops_addr": "*"}
		},
		header: func(t *testing.T, e *event.Event, _ int) {
			if e.Uint(e.Arg("proc_ops_addr")) < 1<<63 {
				t.Errorf("operations at %#x: not the kernel's memory", e.Uint(e.Arg("proc_ops_addr")))
			}
		},
	})
}

// again undoes what the trigger's child did, and has it done again: it is told once, and once more.
func (tr *trigger) again(t *testing.T, r *recorder, arg string, is func(*event.Event) bool) {
	count := func() (n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			if is(e) {
				n++
			}
		}
		return n
	}
	before := count()
	time.Sleep(3 * scanEvery)
	if n := count(); n != before {
		t.Errorf("told %d times more while it stayed", n-before)
	}
	tr.undo()
	time.Sleep(5 * scanEvery)
	startTrigger(t, tr.name, arg)
	for deadline := time.Now().Add(30 * time.Second); count() != before+1; time.Sleep(scanEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("undone and done again it was told %d times more", count()-before)
		}
	}
}

// In a kernel that nobody has changed nothing is found, whatever tracers and modules are in use.
func TestScanOfACleanKernel(t *testing.T) {
	f := testFeatures(t)
	r := startRecorder(t, Options{})
	names := []string{"security_file_open", "security_socket_connect", "openat"} // programs of the sensor's own on functions of the kernel
	for _, def := range event.All() {
		if c := f.Hooks(def.Name); len(c.Alternatives) > 0 && c.Alternatives[0].Kind == Scan {
			if c.Hook != nil {
				names = append(names, def.Name)
			} else {
				t.Logf("%s: %s", def.Name, c.Reason)
			}
		}
	}
	selectAll(t, r.Sensor, names...)
	if f.Missing[Kprobe] == "" {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.Kprobe, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer prog.Close()
		for _, fn := range []string{"do_exit", "vfs_read"} {
			l, err := link.Kprobe(fn, prog, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
	}
	if os.Getenv("VMTEST_KERNEL") != "" { // a machine of this test's own
		const dir = "/sys/kernel/tracing/"
		if err := errors.Join(os.WriteFile(dir+"set_ftrace_filter", []byte("vfs_*"), 0), os.WriteFile(dir+"current_tracer", []byte("function"), 0)); err != nil {
			t.Log(err)
		}
		defer os.WriteFile(dir+"current_tracer", []byte("nop"), 0) //nolint:errcheck // as above
		if _, err := os.Stat(rootkitFile); err == nil {
			// It does nothing unless it is told to.
			startTrigger(t, "file in debugfs", "")
			defer removeRootkit()
		}
	}
	time.Sleep(10 * scanEvery)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if hooksOf(e.Def)[0].Kind == Scan {
			t.Errorf("found in a clean kernel: %s", e.AppendJSON(nil))
		}
	}
	st, err := r.Stats()
	if err != nil || st.Unscanned != 0 {
		t.Errorf("%d looks failed: %v; %v", st.Unscanned, st.ScanError, err)
	}
}

// What one look for everything costs.
func BenchmarkScan(b *testing.B) {
	r := startRecorder(b, Options{ScanEvery: time.Hour})
	var names []string
	for _, def := range event.All() {
		if c := r.Features().Hooks(def.Name); c.Hook != nil && c.Hook.Kind == Scan {
			names = append(names, def.Name)
		}
	}
	selectAll(b, r.Sensor, names...)
	r.scanner.stop()
	b.ReportAllocs()
	for b.Loop() {
		for name, check := range r.scanner.checks {
			if found, err := check(); err != nil || len(found) > 0 {
				b.Fatal(name, found, err)
			}
		}
	}
	b.ReportMetric(float64(len(names)), "events")
}

const scanEvery = 200 * time.Millisecond
