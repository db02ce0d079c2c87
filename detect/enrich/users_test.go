package enrich

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tocsin-io/tocsin/event"
)

func TestNamesOf(t *testing.T) {
	passwd := []byte("toor:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\nweb:x:33:33:a:b:c\nbroken\n:x:5:5::/:\nbig:x:99999999999:1::/:\n" + strings.Repeat("n", 300) + ":x:7:7::/:\nlast:x:1000:1000")
	for _, c := range []struct {
		name, idMap string
		want        userNames
	}{
		{"without a map", "", userNames{0: "toor", 33: "web", 1000: "last"}},
		{"identity", "         0          0 4294967295\n", userNames{0: "toor", 33: "web", 1000: "last"}},
		{"user namespace", "0 100000 30\n33 5 1\n", userNames{100000: "toor", 5: "web"}},
		{"nobody mapped", "500 500 1\n", userNames{}},
		{"broken map", "x y\n0 a b\n", userNames{}},
	} {
		if got := namesOf(passwd, parseIDMap([]byte(c.idMap))); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := namesOf(nil, nil); !maps.Equal(got, userNames{0: "root"}) {
		t.Errorf("no file: %v", got)
	}
}

// contained puts a process into a container whose root is a folder.
func (w *world) contained(pid uint32) (root string) {
	root = w.t.TempDir()
	w.process(pid, 1, uint64(pid)*second, "app")
	if err := os.Symlink(root, filepath.Join(w.proc, itoa(pid), "root")); err != nil {
		w.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return root
}

func (w *world) inContainer(pid, uid uint32) *event.Process {
	ev := w.event("openat", pid, uint64(pid)*second, nil)
	ev.CgroupID, ev.MntNS, ev.UID = 77, 4711, uid
	ev.Flags |= event.FlagContainer | event.FlagContainerStarted
	w.e.Apply(ev)
	return ev.Process
}

// named waits for the name of a process in a container: it is read beside the events.
func (w *world) named(pid, uid uint32) string {
	for range 500 {
		if p := w.inContainer(pid, uid); p.User != "" {
			return p.User
		}
		time.Sleep(2 * time.Millisecond)
	}
	return ""
}

func TestUsersOfContainers(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(77), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)})
	root := w.contained(500)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("root:x:0:0::/:\napp:x:1000:1000::/:\n")
	if got := w.named(500, 1000); got != "app" {
		t.Fatalf("user %q", got)
	}
	if p := w.inContainer(500, 0); p.User != "root" {
		t.Errorf("root: %+v", p)
	}
	// A user that was added meanwhile is found, but the file is not read for each event.
	write("root:x:0:0::/:\napp:x:1000:1000::/:\nlater:x:1001:1001::/:\n")
	for range 50 {
		if p := w.inContainer(500, 1001); p.User != "" {
			t.Fatalf("read again at once: %+v", p)
		}
	}
	w.now += 2 * usersAgain
	if got := w.named(500, 1001); got != "later" {
		t.Errorf("later user %q", got)
	}
}

// What a container puts in the place of its passwd file must neither lead out of it nor hold anything up.
func TestHostilePasswd(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(secret, []byte("outside:x:1000:1000::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"absolute link": func(path string) error { return os.Symlink(secret, path) },
		"relative link": func(path string) error { return os.Symlink("../../../../../../../.."+secret, path) },
		"FIFO":          func(path string) error { return unix.Mkfifo(path, 0o644) },
		"folder":        func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(77), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)})
			if err := put(filepath.Join(w.contained(500), "etc/passwd")); err != nil {
				t.Fatal(err)
			}
			w.inContainer(500, 1000)
			c := w.e.containers.byID[cid]
			c.users.settle(5 * time.Second)
			if c.users.reading.Load() {
				t.Fatal("the reading hangs")
			}
			if p := w.inContainer(500, 1000); p.User != "" {
				t.Errorf("user %q", p.User)
			}
		})
	}
}

// A container's first process is not in its own root until it has been executed: it must not be given the host's users.
func TestUsersBeforeTheRoot(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(77), "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)})
	root := w.contained(500)
	if err := os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("app:x:1000:1000::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(w.proc, "1/root")); err != nil { // still the host's
		t.Fatal(err)
	}
	w.inContainer(500, 1000)
	c := w.e.containers.byID[cid]
	c.users.settle(5 * time.Second)
	if c.users.names.Load() != nil {
		t.Fatal("the host's users were taken for the container's")
	}
	if err := os.Remove(filepath.Join(w.proc, "1/root")); err != nil {
		t.Fatal(err)
	}
	ev := w.event("sched_process_exec", 500, 500*second, map[string]any{"pathname": "/bin/app"})
	ev.CgroupID, ev.MntNS, ev.Flags = 77, 4711, event.FlagContainer|event.FlagContainerStarted
	w.e.Apply(ev)
	if got := w.named(500, 1000); got != "app" {
		t.Errorf("user %q", got)
	}
}

// hung is a runtime that never answers.
type hung struct{}

func (hung) Resolve(ctx context.Context, _ string) (event.Container, event.Kubernetes, error) {
	<-ctx.Done()
	return event.Container{}, event.Kubernetes{}, ctx.Err()
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// A runtime that never answers holds up neither events nor the end.
func TestRuntimeThatHangs(t *testing.T) {
	var told int
	w := newWorld(t, Options{
		Derive:  func(*event.Event) { told++ },
		Resolve: hung{},
	})
	for i := range 100 {
		id := strings.Repeat("0", 61) + itoa(uint32(100+i))
		w.apply("cgroup_mkdir", 1, 0, map[string]any{"cgroup_id": uint64(1000 + i), "cgroup_path": "/docker/" + id, "hierarchy_id": uint32(0)})
		ev := w.event("openat", uint32(1000+i), uint64(1000+i)*second, nil)
		ev.CgroupID, ev.MntNS = uint64(1000+i), 4711
		w.e.Apply(ev)
		if ev.Container == nil || ev.Container.ID != id {
			t.Fatalf("container %+v", ev.Container)
		}
	}
	w.now += 2 * nameWait
	w.apply("openat", 1, 0, nil)
	if told != 100 {
		t.Errorf("%d of 100 containers were told of", told)
	}
	w.e.Close()
}

// A container that the scan found, and whose start is recorded as well, is told of once.
func TestScannedContainerIsToldOnce(t *testing.T) {
	var got []string
	mount := t.TempDir() // any tree of folders is a hierarchy to the scan
	dir := filepath.Join(mount, "docker", cid)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{CgroupMount: mount, Derive: func(ev *event.Event) {
		got = append(got, ev.Name())
		if i := ev.Def.Arg("ctime"); len(got) == 1 && int64(ev.Uint(i)) != st.Ctim.Nano() {
			t.Errorf("the container is said to be of %d, its group is of %d", ev.Uint(i), st.Ctim.Nano())
		}
	}})
	group := map[string]any{"cgroup_id": st.Ino, "cgroup_path": "/docker/" + cid, "hierarchy_id": uint32(0)}
	w.apply("cgroup_mkdir", 1, 0, group)
	w.apply("cgroup_rmdir", 1, 0, group)
	w.apply("cgroup_mkdir", 1, 0, group)
	if want := "existing_container container_remove container_create"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:\n"), []byte("0 100000 65536\n"))
	f.Fuzz(func(t *testing.T, passwd, idMap []byte) {
		for _, name := range namesOf(passwd, parseIDMap(idMap)) {
			if name == "" || len(name) > 256 {
				t.Errorf("name %q", name)
			}
		}
	})
}
