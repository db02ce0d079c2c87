package enrich

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

const second = uint64(time.Second)

// world is a host made of a procfs in a folder, and events.
type world struct {
	t    testing.TB
	proc string
	now  uint64
	e    *Enricher
}

func newWorld(t testing.TB, opts Options) *world {
	w := &world{t: t, proc: t.TempDir(), now: uint64(time.Now().UnixNano())}
	opts.ProcRoot = w.proc
	w.process(1, 0, 0, "init")
	w.e = New(opts)
	t.Cleanup(w.e.Close)
	return w
}

// process puts a running process into procfs; start is in ns since boot.
func (w *world) process(pid, ppid uint32, start uint64, comm string) {
	w.file(pid, "stat", fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0", pid, comm, ppid, start/tick))
	w.file(pid, "status", "Name:\tx\nUid:\t1000\t0\t0\t0\nCapEff:\t00000000000000ff\n")
	w.file(pid, "cmdline", comm+"\x00-x\x00")
	w.file(pid, "cgroup", "0::/\n")
}

func (w *world) file(pid uint32, name, text string) {
	path := filepath.Join(w.proc, fmt.Sprint(pid), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(name string, pid uint32, start uint64, args map[string]any) *event.Event {
	b := event.New(event.ByName(name))
	h := b.Header()
	w.now++
	h.Timestamp, h.HostPID, h.HostTID, h.PID, h.TID, h.LeaderStart, h.ThreadStart = w.now, pid, pid, pid, pid, start, start
	h.UID, h.EUID, h.CgroupID = 1000, 1000, 1
	h.SetComm("comm")
	for k, v := range args {
		if err := b.Set(k, v); err != nil {
			w.t.Fatal(err)
		}
	}
	return b.Event()
}

func (w *world) apply(name string, pid uint32, start uint64, args map[string]any) *event.Event {
	ev := w.event(name, pid, start, args)
	w.e.Apply(ev)
	return ev
}

func (w *world) fork(parent uint32, parentStart uint64, child uint32, start uint64) {
	w.apply("sched_process_fork", parent, parentStart, map[string]any{"child_pid": int32(child), "child_tid": int32(child), "start_time": start})
}

func (w *world) exec(pid uint32, start uint64, path string, argv ...string) *event.Event {
	return w.apply("sched_process_exec", pid, start, map[string]any{"pathname": path, "argv": argv, "pwd": "/work"})
}

func TestTreeFromEvents(t *testing.T) {
	w := newWorld(t, Options{})
	w.fork(1, 0, 100, 5*second)
	w.exec(100, 5*second, "/bin/sh", "sh", "-c", "x")
	w.fork(100, 5*second, 101, 6*second)
	// The child, before its exec, is what its parent was.
	ev := w.apply("openat", 101, 6*second, nil)
	if p := ev.Process; p.Executable != "/bin/sh" || p.PID != 101 || p.PPID != 100 || p.ExecID != "101:600:0" {
		t.Fatalf("forked child: %+v", p)
	}
	w.exec(101, 6*second, "/bin/cat", "cat", "/etc/shadow")
	ev = w.apply("openat", 101, 6*second, nil)
	p := ev.Process
	if p.ExecID != "101:600:1" || p.Executable != "/bin/cat" || !slices.Equal(p.Args, []string{"cat", "/etc/shadow"}) || p.Cwd != "/work" {
		t.Fatalf("after exec: %+v", p)
	}
	if len(p.Ancestors) != 2 || p.Ancestors[0].Executable != "/bin/sh" || p.Ancestors[0].ExecID != "100:500:1" || p.Ancestors[1].PID != 1 {
		t.Fatalf("ancestors: %+v", p.Ancestors)
	}
	if p.Ancestors[0].Ancestors != nil {
		t.Error("an ancestor carries ancestors of its own")
	}
	// The parent's end changes nothing for the child.
	w.apply("sched_process_exit", 100, 5*second, map[string]any{"process_group_exit": true})
	w.now += 60 * second
	w.fork(1, 0, 102, 70*second)
	w.apply("sched_process_exit", 102, 70*second, map[string]any{"process_group_exit": true})
	if got := w.apply("openat", 101, 6*second, nil).Process; got != p {
		t.Errorf("the same process is published twice: %p %p", got, p)
	}
	if w.e.procs[100] != nil {
		t.Error("the ended parent is kept for ever")
	}
}

func TestPublishedIsImmutable(t *testing.T) {
	w := newWorld(t, Options{})
	w.fork(1, 0, 100, 5*second)
	before := w.exec(100, 5*second, "/bin/a", "a").Process
	was := *before
	w.exec(100, 5*second, "/bin/b", "b")
	ev := w.event("openat", 100, 5*second, nil)
	ev.SetComm("renamed")
	ev.UID, ev.EUID, ev.CapEff = 0, 0, 3
	w.e.Apply(ev)
	if before.Executable != was.Executable || before.Comm != was.Comm || before.UID != was.UID {
		t.Errorf("a published process changed: %+v", before)
	}
	if p := ev.Process; p.Comm != "renamed" || p.UID != 0 || p.EUID != 0 || p.CapEff != 3 || p.Executable != "/bin/b" || p.ExecID != "100:500:2" {
		t.Errorf("the change is not seen: %+v", p)
	}
}

func TestArgumentsAreBounded(t *testing.T) {
	w := newWorld(t, Options{})
	w.fork(1, 0, 100, 5*second)
	long := strings.Repeat("x", 3000)
	p := w.exec(100, 5*second, "/bin/sh", "sh", long, long, long).Process
	if len(p.Args) != 3 || p.Args[1] != long || len(p.Args[2]) != argsMax-3002+len("…") {
		t.Errorf("%d arguments", len(p.Args))
	}
	w.fork(100, 5*second, 101, 6*second)
	child := w.apply("openat", 101, 6*second, nil).Process
	if len(child.Args) != 3 || len(child.Args[1]) != 3000 {
		t.Errorf("child: %d arguments", len(child.Args))
	}
	if a := child.Ancestors[0].Args; len(a) != 2 || len(a[1]) != ancestorArgsMax-2+len("…") {
		t.Errorf("ancestor: %d arguments", len(a))
	}
}

func TestPIDReuse(t *testing.T) {
	w := newWorld(t, Options{})
	w.fork(1, 0, 100, 5*second)
	w.exec(100, 5*second, "/bin/old", "old")
	w.apply("sched_process_exit", 100, 5*second, map[string]any{"process_group_exit": true})
	w.fork(1, 0, 100, 9*second)
	if p := w.exec(100, 9*second, "/bin/new", "new").Process; p.ExecID != "100:900:1" {
		t.Errorf("reused pid: %+v", p)
	}
	// The old one's exit leaves the new one in place when it expires.
	w.now += 60 * second
	w.fork(1, 0, 101, 70*second)
	w.apply("sched_process_exit", 101, 70*second, map[string]any{"process_group_exit": true})
	if p := w.apply("openat", 100, 9*second, nil).Process; p.Executable != "/bin/new" {
		t.Errorf("the living process was dropped: %+v", p)
	}
}

func TestProcfs(t *testing.T) {
	w := newWorld(t, Options{})
	w.process(50, 1, 3*second, "a) (b c")
	w.process(51, 50, 4*second, "child")
	ev := w.event("openat", 51, 4*second+1234, nil) // the kernel knows the start to the nanosecond
	ev.EUID, ev.CapEff = 0, 0xff
	ev.SetComm("child")
	w.e.Apply(ev)
	p := ev.Process
	if p.EUID != 0 || p.UID != 1000 || p.CapEff != 0xff || p.Args[0] != "child" || p.ExecID != "51:400:0" {
		t.Errorf("from /proc: %+v", p)
	}
	if len(p.Ancestors) != 2 || p.Ancestors[0].Comm != "a) (b c" {
		t.Errorf("ancestors from /proc: %+v", p.Ancestors)
	}
	// A process that took over the pid is not mistaken for the one of the event.
	w.process(60, 1, 8*second, "later")
	if p := w.apply("openat", 60, 7*second, nil).Process; p.Comm != "comm" {
		t.Errorf("mistaken for a later process: %+v", p)
	}
	if n := w.e.Stats().Unknown; n != 1 {
		t.Errorf("unknown = %d", n)
	}
}

func TestOwnProcess(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	n := e.procs[uint32(os.Getpid())]
	if n == nil {
		t.Fatal("own process not found in /proc")
	}
	e.publish(n)
	exe, _ := os.Executable()
	if n.pub.full.Executable != exe || len(n.pub.full.Ancestors) == 0 || int(n.pub.full.Ancestors[0].PID) != os.Getppid() {
		t.Errorf("own process: %+v", n.pub.full)
	}
	if since := time.Since(time.Unix(0, int64(n.pub.full.StartTime))); since < -time.Second || since > time.Hour {
		t.Errorf("started %v ago", since)
	}
}

func TestTableIsBounded(t *testing.T) {
	w := newWorld(t, Options{MaxProcesses: 100})
	for pid := uint32(1000); pid < 2000; pid++ {
		w.fork(1, 0, pid, second+uint64(pid)*tick)
		if pid%2 == 0 {
			w.apply("sched_process_exit", pid, second+uint64(pid)*tick, map[string]any{"process_group_exit": true})
		}
	}
	s := w.e.Stats()
	if s.Processes > 100 || s.Evicted == 0 {
		t.Errorf("%+v", s)
	}
	if cap(w.e.exited.items) > 2048 {
		t.Errorf("queue of %d", cap(w.e.exited.items))
	}
}

const cid = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestContainers(t *testing.T) {
	asked := make(chan string, 1)
	w := newWorld(t, Options{Resolve: resolveFunc(func(id string) (event.Container, event.Kubernetes, error) {
		asked <- id
		return event.Container{Name: "web", Image: "nginx:1"}, event.Kubernetes{PodName: "web-0", PodNamespace: "shop"}, nil
	})})
	w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(77), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)})
	w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(5), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(3)})
	in := func(pid uint32, cgroup uint64) *event.Event {
		ev := w.event("openat", pid, uint64(pid)*second, nil)
		ev.CgroupID, ev.MntNS = cgroup, 4711
		w.e.Apply(ev)
		return ev
	}
	ev := in(200, 77)
	if ev.Container == nil || ev.Container.ID != cid || ev.Container.Runtime != "docker" || ev.Process.ContainerID != cid {
		t.Fatalf("container: %+v %+v", ev.Container, ev.Process)
	}
	if got := in(201, 5); got.Container != nil {
		t.Errorf("an id of hierarchy v1 was taken for one of v2: %+v", got.Container)
	}
	if id := <-asked; id != cid {
		t.Errorf("asked for %s", id)
	}
	for range 100 {
		if ev = in(200, 77); ev.Kubernetes != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if ev.Container.Name != "web" || ev.Container.Runtime != "docker" || ev.Kubernetes == nil || ev.Kubernetes.PodName != "web-0" {
		t.Errorf("resolved: %+v %+v", ev.Container, ev.Kubernetes)
	}
	// Moving out of the container.
	if got := in(200, 5); got.Container != nil || got.Process.ContainerID != "" {
		t.Errorf("left the container: %+v", got.Container)
	}
	// Where no hierarchy can be read every process has the root's id: /proc tells.
	w.process(300, 1, 300*second, "x")
	w.file(300, "cgroup", "3:pids:/docker/"+cid+"\n0::/\n")
	if got := in(300, rootCgroup); got.Container == nil || got.Container.ID != cid {
		t.Errorf("container from /proc: %+v", got.Container)
	}
	w.apply("cgroup_rmdir", 1, 0, map[string]any{"cgroup_id": uint64(77), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)})
	if n := w.e.Stats().Containers; n != 0 {
		t.Errorf("%d containers after the removal", n)
	}
}

func TestContainerEvents(t *testing.T) {
	var got []*event.Event
	answer := make(chan struct{})
	w := newWorld(t, Options{
		Derive: func(ev *event.Event) { got = append(got, ev) },
		Resolve: resolveFunc(func(id string) (event.Container, event.Kubernetes, error) {
			<-answer
			return event.Container{Name: "web", Image: "nginx:1"}, event.Kubernetes{}, nil
		}),
	})
	group := func(name string, hierarchy uint32) {
		w.apply(name, 1, 0, map[string]any{"cgroup_id": uint64(77 + hierarchy), "cgroup_path": "/docker/" + cid, "hierarchy_id": hierarchy})
	}
	group("cgroup_mkdir", 3)
	group("cgroup_mkdir", 0)
	if len(got) != 0 {
		t.Fatalf("%d events before the names are known", len(got))
	}
	close(answer)
	for range 200 {
		if w.apply("openat", 1, 0, nil); len(got) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	group("cgroup_rmdir", 3)
	group("cgroup_rmdir", 0)
	if len(got) != 2 || got[0].Name() != "container_create" || got[1].Name() != "container_remove" {
		t.Fatalf("%d events", len(got))
	}
	e := got[0]
	if e.Str(e.Arg("container_id")) != cid || e.Str(e.Arg("container_name")) != "web" || e.Str(e.Arg("runtime")) != "docker" || e.HostPID != 1 || e.Container.Image != "nginx:1" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
	// Names that never come are not waited for.
	w = newWorld(t, Options{
		Derive: func(ev *event.Event) { got = append(got, ev) },
		Resolve: resolveFunc(func(id string) (event.Container, event.Kubernetes, error) {
			return event.Container{}, event.Kubernetes{}, os.ErrNotExist
		}),
	})
	group("cgroup_mkdir", 0)
	w.now += 3 * second
	w.apply("openat", 1, 0, nil)
	if len(got) != 3 {
		t.Errorf("%d events", len(got))
	}
}

// A control group that no event has told of is found by its id, in a real hierarchy.
func TestContainerByCgroupID(t *testing.T) {
	mount := ""
	for _, dir := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && (st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC) {
			mount = dir
			break
		}
	}
	name := fmt.Sprintf("%s/tocsin-test-%d", mount, os.Getpid())
	dir := filepath.Join(name, cid)
	if err := os.MkdirAll(dir, 0o755); mount == "" || err != nil {
		t.Skipf("no control group can be made here (%s): %v", mount, err)
	}
	t.Cleanup(func() { os.Remove(dir); os.Remove(name) })
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	os.Remove(dir) // not there when the enricher looks around …
	w := newWorld(t, Options{CgroupMount: mount})
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	ev := w.event("openat", 400, 4*second, nil)
	ev.CgroupID, ev.MntNS = st.Ino, 4711
	w.e.Apply(ev)
	if ev.Container == nil || ev.Container.ID != cid {
		t.Errorf("container %+v", ev.Container)
	}
}

type resolveFunc func(id string) (event.Container, event.Kubernetes, error)

func (f resolveFunc) Resolve(_ context.Context, id string) (event.Container, event.Kubernetes, error) {
	return f(id)
}

func TestContainerID(t *testing.T) {
	other := strings.Repeat("f", 64)
	for _, c := range []struct {
		path, id, runtime string
		own               bool
	}{
		{"/docker/" + cid, cid, "docker", true},
		{"/system.slice/docker-" + cid + ".scope", cid, "docker", true},
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + cid + ".scope", cid, "containerd", true},
		{"/kubepods.slice/crio-" + cid + ".scope/container", cid, "crio", false},
		{"/kubepods.slice/crio-conmon-" + cid + ".scope", "", "", false},
		{"/machine.slice/libpod-" + cid + ".scope", cid, "podman", true},
		{"/system.slice/containerd.service/kubepods-burstable-podx.slice:cri-containerd:" + cid, cid, "containerd", true},
		{"/kubepods/besteffort/pod1/" + cid, cid, "", true},
		{"/docker/" + other + "/docker/" + cid, cid, "docker", true},
		{"/docker/" + other + "/init.scope", other, "docker", false},
		{"/process_api/0123456789abcdef0123456789abcdef", "", "", false},
		{"/" + cid[:63] + "G", "", "", false},
		{"/", "", "", false},
		{"", "", "", false},
	} {
		if id, runtime, own := containerID(c.path); id != c.id || runtime != c.runtime || own != c.own {
			t.Errorf("%s: %q %q %v", c.path, id, runtime, own)
		}
	}
	const pod = "8d3ea4a2-7b1e-4a39-9c0f-0a1b2c3d4e5f"
	for _, path := range []string{
		"/kubepods/burstable/pod" + pod + "/" + cid,
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(pod, "-", "_") + ".slice/cri-containerd-" + cid + ".scope",
	} {
		if got := podUID(path); got != pod {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := podUID("/machine.slice/libpod_parent/libpod-" + cid); got != "" {
		t.Errorf("pod %q", got)
	}
}

func TestKnownProcessAllocatesNothing(t *testing.T) {
	w := newWorld(t, Options{})
	w.fork(1, 0, 100, 5*second)
	w.exec(100, 5*second, "/bin/sh", "sh")
	ev := w.event("openat", 100, 5*second, nil)
	if n := testing.AllocsPerRun(100, func() { w.e.Apply(ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKnownProcess(b *testing.B) {
	w := newWorld(b, Options{})
	w.fork(1, 0, 100, 5*second)
	w.exec(100, 5*second, "/bin/sh", "sh")
	ev := w.event("openat", 100, 5*second, nil)
	b.ReportAllocs()
	for b.Loop() {
		w.e.Apply(ev)
	}
}

func BenchmarkForkExecExit(b *testing.B) {
	w := newWorld(b, Options{})
	fork := w.event("sched_process_fork", 1, 0, map[string]any{"child_pid": int32(100), "child_tid": int32(100), "start_time": 5 * second})
	exec := w.event("sched_process_exec", 100, 5*second, map[string]any{"pathname": "/bin/sh", "argv": []string{"sh", "-c", "true"}, "pwd": "/"})
	exit := w.event("sched_process_exit", 100, 5*second, map[string]any{"process_group_exit": true})
	b.ReportAllocs()
	for b.Loop() {
		w.e.Apply(fork)
		w.e.Apply(exec)
		w.e.Apply(exit)
		w.e.now += 6 * second
		w.e.expire()
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("1 (a b) S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0"))
	f.Add([]byte("Uid:\t1\t2\t3\t4\nCapEff:\tff\n"))
	f.Add([]byte("0::/docker/" + cid + "\n"))
	f.Add([]byte("/kubepods-pod8d3ea4a2_7b1e_4a39_9c0f_0a1b2c3d4e5f.slice/crio-" + cid + ".scope"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		parseStatus(b)
		hierarchy{}.path(b)
		podUID(string(b))
		if id, _, _ := containerID(string(b)); id != "" && len(id) != 64 {
			t.Errorf("id %q", id)
		}
	})
}
