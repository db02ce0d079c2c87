package bpf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

// The test binary is also the program that is watched: with TOCSIN_TRIGGER it runs that trigger and exits.
func TestMain(m *testing.M) {
	if name := os.Getenv("TOCSIN_TRIGGER"); name != "" {
		runtime.LockOSThread() // a mount namespace, an identity, a name is the thread's
		for _, tr := range triggers {
			if tr.name == name {
				tr.child(os.Getenv("TOCSIN_TRIGGER_ARG"))
				os.Exit(0)
			}
		}
		fmt.Fprintln(os.Stderr, "no trigger", name)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A trigger makes one event happen by a real system call in a process of its own, and knows what must be seen.
type trigger struct {
	name   string
	event  string
	child  func(arg string)
	setup  func(t *testing.T) (arg string)               // in the test; nil: no argument
	expect func(arg string, pid int) map[string]string   // arguments as text; "*" means any, absent arguments must be absent
	header func(t *testing.T, e *event.Event, child int) // further checks
	scan   bool                                          // the event is the kernel's, not the child's; it is told again when what the child did has been undone and done again
	undo   func()                                        // in the test, afterwards
	worker bool                                          // the event may be of a kernel thread that works for the child
}

// check ends the child with an error that the test shows.
func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(3)
	}
}

func tempFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "watched")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func listen(t *testing.T, network, addr string) net.Listener {
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func raw(nr uintptr, a ...uintptr) (uintptr, error) {
	var args [6]uintptr
	copy(args[:], a)
	r, _, e := syscall.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
	if e != 0 {
		return r, e
	}
	return r, nil
}

func cstr(s string) uintptr {
	p, _ := unix.BytePtrFromString(s)
	return uintptr(unsafe.Pointer(p))
}

func unixAddress(path string) string { return `{"sa_family":"AF_UNIX","sun_path":"` + path + `"}` }

var triggers = []trigger{
	{
		name: "exec", event: "sched_process_exec", child: func(string) {},
		expect: func(_ string, _ int) map[string]string {
			exe, _ := os.Executable()
			wd, _ := os.Getwd()
			return map[string]string{
				"cmdpath": exe, "pathname": exe, "argv": `["trigger","one","two"]`, "pwd": wd, "interp": exe, "invoked_from_kernel": "0",
				"stdin_path": "/dev/null", "stdin_type": "S_IFCHR", "prev_comm": selfComm(),
			}
		},
	},
	{
		name: "execve", event: "execve", child: func(string) {},
		expect: func(_ string, _ int) map[string]string {
			exe, _ := os.Executable()
			return map[string]string{"pathname": exe, "argv": `["trigger","one","two"]`}
		},
	},
	{name: "execve fails", event: "execve", child: func(string) {
		if err := syscall.Exec("/no/such/program", []string{"a", "b"}, []string{"X=1"}); err != syscall.ENOENT {
			check("exec", fmt.Errorf("%v", err))
		}
	}, expect: func(_ string, _ int) map[string]string {
		return map[string]string{"pathname": "/no/such/program", "argv": `["a","b"]`, "envp": `["X=1"]`}
	}, header: func(t *testing.T, e *event.Event, _ int) {
		if e.Return != -int64(syscall.ENOENT) {
			t.Errorf("return value %d", e.Return)
		}
	}},
	{
		name: "exit", event: "sched_process_exit", child: func(string) { os.Exit(7) },
		expect: func(_ string, _ int) map[string]string {
			return map[string]string{"exit_code": "7", "process_group_exit": "true", "signal_code": "0"}
		},
	},
	{name: "fork", event: "sched_process_fork", child: func(string) {
		check("fork", (&exec.Cmd{Path: "/proc/self/exe", Env: []string{"TOCSIN_TRIGGER=exec"}}).Run())
	}, expect: func(_ string, pid int) map[string]string {
		return map[string]string{"parent_pid": fmt.Sprint(pid), "parent_ns_pid": fmt.Sprint(pid)}
	}},
	{name: "openat", event: "openat", setup: tempFile, child: func(path string) {
		fd, err := unix.Openat(unix.AT_FDCWD, path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		check("open", err)
		unix.Close(fd)
	}, expect: func(path string, _ int) map[string]string {
		return map[string]string{"dirfd": "-100", "pathname": path, "flags": "O_RDWR|O_CLOEXEC", "mode": "0"}
	}},
	// A relative path through a symbolic link: the file is what was opened.
	{name: "open", event: "security_file_open", setup: tempFile, child: func(path string) {
		check("link", os.Symlink(filepath.Dir(path), path+".link"))
		check("chdir", os.Chdir(filepath.Dir(path)))
		fd, err := unix.Openat(unix.AT_FDCWD, "../"+filepath.Base(filepath.Dir(path))+"/watched.link/watched", unix.O_WRONLY, 0)
		check("open", err)
		unix.Close(fd)
	}, expect: func(path string, _ int) map[string]string {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return nil
		}
		return map[string]string{
			"pathname": path, "flags": "O_WRONLY|O_LARGEFILE", "inode": fmt.Sprint(st.Ino), "ctime": fmt.Sprint(st.Ctim.Nano()), "syscall": "openat",
			"syscall_pathname": "../" + filepath.Base(filepath.Dir(path)) + "/watched.link/watched",
		}
	}},
	{
		name: "connect TCP", event: "security_socket_connect",
		setup: func(t *testing.T) string { return listen(t, "tcp", "127.0.0.1:0").Addr().String() },
		child: func(addr string) {
			c, err := net.Dial("tcp", addr)
			check("connect", err)
			c.Close()
		}, expect: func(addr string, _ int) map[string]string {
			_, port, _ := net.SplitHostPort(addr)
			return map[string]string{"sockfd": "*", "remote_addr": `{"sa_family":"AF_INET","sin_addr":"127.0.0.1","sin_port":"` + port + `"}`, "type": "SOCK_STREAM"}
		},
	},
	{
		name: "connect TCP6", event: "security_socket_connect",
		setup: func(t *testing.T) string {
			l, err := net.Listen("tcp6", "[::1]:0")
			if err != nil {
				t.Skip("no IPv6 here:", err)
			}
			t.Cleanup(func() { l.Close() })
			return l.Addr().String()
		},
		child: func(addr string) {
			c, err := net.Dial("tcp", addr)
			check("connect", err)
			c.Close()
		}, expect: func(addr string, _ int) map[string]string {
			_, port, _ := net.SplitHostPort(addr)
			return map[string]string{"remote_addr": `{"sa_family":"AF_INET6","sin6_addr":"::1","sin6_flowinfo":"0","sin6_port":"` + port + `","sin6_scopeid":"0"}`}
		},
	},
	{name: "connect refused", event: "security_socket_connect", child: func(string) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		check("socket", err)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}}); err == nil {
			check("connect", errors.New("port 1 answers"))
		}
	}, expect: func(string, int) map[string]string {
		return map[string]string{"remote_addr": `{"sa_family":"AF_INET","sin_addr":"127.0.0.1","sin_port":"1"}`}
	}},
	{
		name: "connect unix", event: "security_socket_connect",
		setup: func(t *testing.T) string {
			return listen(t, "unix", filepath.Join(t.TempDir(), "s")).Addr().String()
		},
		child: func(path string) {
			c, err := net.Dial("unix", path)
			check("connect", err)
			c.Close()
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"remote_addr": unixAddress(path), "type": "SOCK_STREAM"}
		},
	},
	{
		name: "connect", event: "connect",
		setup: func(t *testing.T) string {
			return listen(t, "unix", filepath.Join(t.TempDir(), "s")).Addr().String()
		},
		child: func(path string) {
			c, err := net.Dial("unix", path)
			check("connect", err)
			c.Close()
		}, expect: func(path string, _ int) map[string]string {
			return map[string]string{"addr": unixAddress(path), "addrlen": fmt.Sprint(len(path) + 3)}
		},
	},
	{
		name: "dup of a socket", event: "socket_dup",
		setup: func(t *testing.T) string { return listen(t, "tcp", "127.0.0.1:0").Addr().String() },
		child: func(addr string) {
			c, err := net.Dial("tcp", addr)
			check("connect", err)
			f, err := c.(*net.TCPConn).File()
			check("file", err)
			check("dup", unix.Dup3(int(f.Fd()), 77, 0))
		}, expect: func(addr string, _ int) map[string]string {
			_, port, _ := net.SplitHostPort(addr)
			return map[string]string{"oldfd": "*", "newfd": "77", "remote_addr": `{"sa_family":"AF_INET","sin_addr":"127.0.0.1","sin_port":"` + port + `"}`}
		},
	},
	{
		name: "ptrace", event: "ptrace", child: func(string) { _, _ = raw(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1<<22, 0x10, 0x20) },
		expect: func(string, int) map[string]string {
			return map[string]string{"request": "PTRACE_ATTACH", "pid": "4194304", "addr": "0x10", "data": "0x20"}
		},
	},
	{
		name: "init_module", event: "init_module", child: func(string) { _, _ = raw(unix.SYS_INIT_MODULE, 0, 5, cstr("opt=1")) },
		expect: func(string, int) map[string]string {
			return map[string]string{"module_image": "0x0", "len": "5", "param_values": "opt=1"}
		},
	},
	{name: "finit_module", event: "finit_module", child: func(string) {
		p, _ := unix.BytePtrFromString("opt=2")
		_, _ = raw(unix.SYS_FINIT_MODULE, ^uintptr(0), uintptr(unsafe.Pointer(p)), 1)
	}, expect: func(string, int) map[string]string {
		return map[string]string{"fd": "-1", "param_values": "opt=2", "flags": "1"}
	}},
	{name: "module file", event: "security_kernel_read_file", setup: tempFile, child: func(path string) {
		f, err := os.Open(path)
		check("open", err)
		_ = unix.FinitModule(int(f.Fd()), "", 0) // not a module
	}, expect: func(path string, _ int) map[string]string {
		return map[string]string{"pathname": path, "type": "kernel-module"}
	}},
	{
		name: "setns", event: "setns", child: func(string) { _, _ = raw(unix.SYS_SETNS, 999, unix.CLONE_NEWNET) },
		expect: func(string, int) map[string]string { return map[string]string{"fd": "999", "nstype": "CLONE_NEWNET"} },
	},
	{
		name: "unshare", event: "unshare", child: func(string) { check("unshare", unix.Unshare(unix.CLONE_NEWUTS)) },
		expect: func(string, int) map[string]string { return map[string]string{"flags": "CLONE_NEWUTS"} },
	},
	{name: "mount", event: "security_sb_mount", setup: func(t *testing.T) string { return t.TempDir() }, child: func(dir string) {
		check("unshare", unix.Unshare(unix.CLONE_NEWNS))
		check("private", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
		check("mount", unix.Mount("none", dir, "tmpfs", unix.MS_NOEXEC, ""))
	}, expect: func(dir string, _ int) map[string]string {
		return map[string]string{"dev_name": "none", "path": dir, "type": "tmpfs", "flags": "MS_NOEXEC"}
	}},
	{
		name: "process_vm_writev", event: "process_vm_writev", child: func(string) { _, _ = raw(unix.SYS_PROCESS_VM_WRITEV, 1<<22, 0, 0, 0, 0, 0) },
		expect: func(string, int) map[string]string {
			return map[string]string{"pid": "4194304", "local_iov": "0x0", "liovcnt": "0", "remote_iov": "0x0", "riovcnt": "0", "flags": "0"}
		},
	},
	{name: "memfd", event: "memfd_create", child: func(string) {
		_, err := unix.MemfdCreate("payload", unix.MFD_CLOEXEC)
		check("memfd_create", err)
	}, expect: func(string, int) map[string]string { return map[string]string{"name": "payload", "flags": "1"} }},
	{name: "wait", child: func(dir string) {
		check("ready", os.WriteFile(filepath.Join(dir, "started"), nil, 0o600))
		for range 1000 {
			if _, err := os.Stat(filepath.Join(dir, "go")); err == nil {
				_, err := unix.MemfdCreate("late", 0)
				check("memfd_create", err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		check("wait", errors.New("nobody said go"))
	}},
	{name: "bpf", event: "security_bpf", child: func(string) {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		check("map", err)
		m.Close()
	}, expect: func(string, int) map[string]string { return map[string]string{"cmd": "BPF_MAP_CREATE"} }},
	{
		name: "cgroup made", event: "cgroup_mkdir", setup: cgroupParent, child: func(path string) { check("mkdir", os.Mkdir(path, 0o755)) },
		expect: func(path string, _ int) map[string]string {
			var st unix.Stat_t
			if unix.Stat(path, &st) != nil {
				return nil
			}
			return map[string]string{"cgroup_path": "/" + filepath.Base(path), "cgroup_id": fmt.Sprint(st.Ino), "hierarchy_id": "*"}
		},
	},
	{name: "cgroup removed", event: "cgroup_rmdir", setup: cgroupParent, child: func(path string) {
		check("mkdir", os.Mkdir(path, 0o755))
		check("rmdir", os.Remove(path))
	}, expect: func(path string, _ int) map[string]string {
		return map[string]string{"cgroup_path": "/" + filepath.Base(path)}
	}},
}

// cgroupParent returns the path of a control group that the child is to make.
func cgroupParent(t *testing.T) string {
	h, err := findHierarchy(testFeatures(t))
	if err != nil {
		t.Fatal(err)
	}
	if h.mount == "" {
		t.Skip("no cgroup file system is mounted")
	}
	path := filepath.Join(h.mount, fmt.Sprintf("tocsin-test-%d-%s", os.Getpid(), strings.ReplaceAll(filepath.Base(t.Name()), "/", "-")))
	t.Cleanup(func() { os.Remove(path) })
	return path
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}

func selfComm() string {
	b, _ := os.ReadFile("/proc/self/comm")
	return strings.TrimSpace(string(b))
}

var features = sync.OnceValues(Probe)

// testFeatures skips the test where the sensor cannot run, with the reason.
func testFeatures(t testing.TB) *Features {
	t.Helper()
	if err := CheckPrivileges(); err != nil {
		t.Skip("the sensor cannot run here: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	f, err := features()
	if err != nil {
		t.Fatal(err)
	}
	f.keep = true
	return f
}

// A recorder keeps the events of the processes that a test starts.
type recorder struct {
	*Sensor
	mu     sync.Mutex
	events []*event.Event
}

func startRecorder(t testing.TB, o Options) *recorder {
	t.Helper()
	o.Features = testFeatures(t)
	o.VerifierLog = os.Getenv("TOCSIN_VERIFIER_LOG") != ""
	if o.ScanEvery == 0 {
		o.ScanEvery = scanEvery
	}
	s, err := Open(o)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	r := &recorder{Sensor: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(e *event.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e.Clone())
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("run:", err)
		}
		for range 2 { // Close is idempotent
			if err := s.Close(); err != nil {
				t.Error("close:", err)
			}
		}
	})
	return r
}

// find waits for an event that match accepts.
func (r *recorder) find(match func(*event.Event) bool) *event.Event {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		for _, e := range r.events {
			if match(e) {
				r.mu.Unlock()
				return e
			}
		}
		r.mu.Unlock()
		if time.Now().After(deadline) {
			return nil
		}
	}
}

// of returns what was seen of an event of a process.
func (r *recorder) of(pid int, name string) (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if int(e.HostPID) == pid && e.Name() == name {
			line := string(e.AppendJSON(nil))
			out = append(out, line[strings.Index(line, `"args":`):])
		}
	}
	return out
}

// argText is an argument as rules see it: text without quotes, else JSON.
func argText(e *event.Event, name string) (string, bool) {
	i := e.Arg(name)
	if i < 0 || !e.Has(i) {
		return "", false
	}
	s := string(e.AppendArg(nil, i))
	if len(s) > 1 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	return s, true
}

func selectAll(t testing.TB, s *Sensor, names ...string) {
	t.Helper()
	var sel []event.Selection
	for _, n := range names {
		sel = append(sel, event.Selection{Event: n})
	}
	if err := s.Select(sel); err != nil {
		var v *ebpf.VerifierError
		if errors.As(err, &v) {
			t.Logf("%+v", v)
		}
		t.Fatal(err)
	}
}

func startTrigger(t testing.TB, name, arg string) (pid int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: exe, Args: []string{"trigger", "one", "two"},
		Env: append(os.Environ(), "TOCSIN_TRIGGER="+name, "TOCSIN_TRIGGER_ARG="+arg),
	}
	var said strings.Builder
	cmd.Stderr = io.MultiWriter(os.Stderr, &said)
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 7 {
		if cmd.ProcessState.ExitCode() == exitUnsupported {
			t.Skip(strings.TrimSpace(said.String()))
		}
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// Every event, by every hook that this kernel has for it, triggered by real system calls. The names of subtests
// (event/hook/trigger) and the attributes, which say why a hook cannot be used, make the table of docs/events.md.
func TestHooks(t *testing.T) {
	f := testFeatures(t)
	t.Attr("release", release())
	r := startRecorder(t, Options{})
	for _, def := range slices.Concat(event.All(), event.Syscalls()) {
		name := def.Name
		var own []trigger
		for _, tr := range triggers {
			if tr.event == name {
				own = append(own, tr)
			}
		}
		if len(own) > 0 {
			t.Run(name, func(t *testing.T) {
				forHooks(t, f, name, func(t *testing.T, h *Hook) {
					for _, tr := range own {
						t.Run(tr.name, func(t *testing.T) { runTrigger(t, r, tr, h) })
					}
				})
			})
		}
	}
}

// TestLoad has the best hook of every event loaded and attached at once: what the verifier of another kernel refuses is seen in a minute.
func TestLoad(t *testing.T) {
	f := testFeatures(t)
	s, err := Open(Options{Features: f})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	var all []string
	for _, def := range event.All() {
		if f.Hooks(def.Name).Hook != nil {
			all = append(all, def.Name)
		}
	}
	selectAll(t, s, all...)
	t.Logf("%d of %d events", len(all), len(event.All()))
}

// forHooks runs a subtest for each hook that this kernel has for the event.
func forHooks(t *testing.T, f *Features, name string, test func(*testing.T, *Hook)) {
	choice := f.Hooks(name)
	for i := range choice.Alternatives {
		if h := &choice.Alternatives[i]; !h.Usable {
			t.Attr(string(h.Kind), h.Reason)
		}
	}
	if choice.Hook == nil {
		t.Skip(choice.Reason)
	}
	for i := range choice.Alternatives {
		if h := &choice.Alternatives[i]; h.Usable {
			t.Run(string(h.Kind), func(t *testing.T) {
				t.Attr("target", h.Target)
				test(t, h)
			})
		}
	}
}

func runTrigger(t *testing.T, r *recorder, tr trigger, h *Hook) {
	r.Sensor.prefer = map[string]*Hook{tr.event: h}
	selectAll(t, r.Sensor, tr.event)
	arg := ""
	if tr.setup != nil {
		arg = tr.setup(t)
	}
	if tr.scan { // another trigger's looks the same
		r.mu.Lock()
		r.events = nil
		r.mu.Unlock()
	}
	pid, want, e := 0, map[string]string(nil), (*event.Event)(nil)
	is := func(e *event.Event) bool {
		own := int(e.HostPID) == pid || tr.worker && strings.HasPrefix(e.CommString(), "io_")
		if !own && !tr.scan || e.Name() != tr.event {
			return false
		}
		for name, text := range want {
			if got, ok := argText(e, name); !ok || text != "*" && got != text {
				return false
			}
		}
		return true
	}
	for tries := 1; ; tries++ {
		missed := leftOut(t, r.Sensor)
		pid = startTrigger(t, tr.name, arg)
		want = tr.expect(arg, pid)
		own := pid
		if tr.scan {
			pid = 0
		}
		if e = r.find(is); e != nil {
			break
		}
		// A kernel that preempts programs leaves out calls of theirs, and counts them: most often of threads that end at one time.
		n := leftOut(t, r.Sensor) - missed
		if n == 0 || tries == 3 {
			t.Fatalf("no %s of process %d with %v, %d calls were left out; seen:\n%s", tr.event, own, want, n, strings.Join(r.of(own, tr.event), "\n"))
		}
		t.Logf("again, as %d calls were left out", n)
	}
	if e.Flags&event.FlagUnselected != 0 {
		t.Error("marked as unselected")
	}
	if tr.scan {
		t.Logf("%s", e.AppendJSON(nil))
		tr.again(t, r, arg, is)
	} else if int(e.HostPID) == pid && int(e.HostPPID) != os.Getpid() {
		t.Errorf("parent %d, want %d", e.HostPPID, os.Getpid())
	}
	if age := time.Since(time.Unix(0, int64(e.Timestamp))); age < 0 || age > 20*time.Second {
		t.Errorf("time stamp is %v old", age)
	}
	for i, a := range e.Def.Args {
		if e.Has(i) && e.FromUser(i) {
			t.Attr("user", a.Name)
		}
	}
	if tr.header != nil {
		tr.header(t, e, pid)
	}
	checkStats(t, r.Sensor)
}

// checkStats holds that nothing was lost, and nothing uncounted: other processes may be between an attempt and its end.
func checkStats(t *testing.T, s *Sensor) {
	t.Helper()
	for tries := 0; ; tries++ {
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		var wrong []string
		for name, s := range st.Events {
			if s.Emitted+s.Lost() != s.Attempted || s.Lost() != 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %+v", name, s))
			}
		}
		if len(wrong) == 0 {
			return
		}
		if tries == 20 {
			t.Error(strings.Join(wrong, "\n"))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
