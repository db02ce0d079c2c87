package bpf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const deepest = 20 // directories with the longest names: more than a path may have

// openPaths opens files in places where a path is hard to tell. The paths are those that pathsOpened says.
func openPaths(dir string) {
	runtime.LockOSThread()
	open := func(path string, flags int) int {
		fd, err := unix.Open(path, flags, 0o600)
		check("open "+path, err)
		return fd
	}
	for _, name := range pathNames() {
		sub := filepath.Join(dir, name)
		check("mkdir", unix.Mkdir(sub, 0o700))
		open(filepath.Join(sub, name), unix.O_RDWR|unix.O_CREAT)
	}
	sub := dir
	for i := range 40 {
		sub = filepath.Join(sub, fmt.Sprint("d", i))
		check("mkdir", unix.Mkdir(sub, 0o700))
	}
	open(filepath.Join(sub, "deep"), unix.O_RDWR|unix.O_CREAT)

	fd := open(filepath.Join(dir, "deleted"), unix.O_RDWR|unix.O_CREAT)
	check("unlink", unix.Unlink(filepath.Join(dir, "deleted")))
	open(fmt.Sprint("/proc/self/fd/", fd), unix.O_RDONLY)
	fd, err := unix.MemfdCreate("watched", 0)
	check("memfd", err)
	open(fmt.Sprint("/proc/self/fd/", fd), unix.O_RDONLY)
	open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	open("/", unix.O_RDONLY|unix.O_DIRECTORY)

	check("unshare", unix.Unshare(unix.CLONE_NEWNS))
	check("make mounts private", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	bound := filepath.Join(dir, "bound")
	check("mkdir", unix.Mkdir(bound, 0o700))
	check("bind", unix.Mount(filepath.Join(dir, "a"), bound, "", unix.MS_BIND, ""))
	open(filepath.Join(bound, "a"), unix.O_RDONLY)
	mounted := filepath.Join(bound, "a") // a mount on a file, in a mount
	check("bind a file", unix.Mount(filepath.Join(dir, "exactly8", "exactly8"), mounted, "", unix.MS_BIND, ""))
	open(mounted, unix.O_RDONLY)
	check("mount", unix.Mount("none", filepath.Join(dir, "exactly8"), "tmpfs", 0, ""))
	open(filepath.Join(dir, "exactly8", "new"), unix.O_RDWR|unix.O_CREAT)

	check("chdir", unix.Chdir(dir))
	long := strings.Repeat("l", 255)
	for range deepest {
		check("mkdir", unix.Mkdir(long, 0o700))
		check("chdir", unix.Chdir(long))
	}
	open("end", unix.O_RDWR|unix.O_CREAT)
	root := open("/", unix.O_RDONLY|unix.O_DIRECTORY)
	container := filepath.Join(dir, "a")
	check("chroot", unix.Chroot(container))
	open("/a", unix.O_RDONLY)

	check("chdir", unix.Fchdir(root))
	check("chroot", unix.Chroot("."))
	check("bind", unix.Mount(container, container, "", unix.MS_BIND, ""))
	check("chdir", unix.Chdir(container))
	if err := unix.PivotRoot(".", "."); err == nil {
		check("unmount", unix.Unmount(".", unix.MNT_DETACH))
	} else { // it cannot leave an initial file system
		check("move", unix.Mount(".", "/", "", unix.MS_MOVE, ""))
		check("chroot", unix.Chroot("."))
	}
	open("/", unix.O_RDONLY|unix.O_DIRECTORY)
	open("/a", unix.O_RDONLY)

	// What was the topmost mount is below another one.
	check("mkdir", unix.Mkdir("/b", 0o700))
	check("bind", unix.Mount("/b", "/b", "", unix.MS_BIND, ""))
	check("chdir", unix.Chdir("/b"))
	check("mkdir", unix.Mkdir("old", 0o700))
	check("pivot", unix.PivotRoot(".", "old"))
	open("/old/a", unix.O_RDONLY)
	open("/new", unix.O_RDWR|unix.O_CREAT)
}

func pathNames() []string {
	names := []string{"a", "exactly8"}
	for _, n := range []int{7, 9, 15, 16, 17, 24, 31, 32, 33, 40, 255} {
		names = append(names, strings.Repeat("n", n-1)+"x")
	}
	return names
}

func pathsOpened(dir string) (out []string) {
	for _, name := range pathNames() {
		out = append(out, filepath.Join(dir, name, name))
	}
	deep := dir
	for i := range 40 {
		deep = filepath.Join(deep, fmt.Sprint("d", i))
	}
	bound := filepath.Join(dir, "bound", "a")
	return append(out, filepath.Join(deep, "deep"), filepath.Join(dir, "deleted"), filepath.Join(dir, "deleted"), "memfd:watched", dir, "/",
		bound, bound, filepath.Join(dir, "exactly8", "new"), "…", "/", filepath.Join(dir, "a", "a"), "/", "/a", "/old/a", "/new")
}

func init() {
	triggers = append(triggers, trigger{name: "paths", child: openPaths})
}

// The path is that of the file that was opened, up to the root of its mount namespace, by every hook.
func TestPaths(t *testing.T) {
	f := testFeatures(t)
	r := startRecorder(t, Options{})
	forHooks(t, f, "security_file_open", func(t *testing.T, h *Hook) {
		r.Sensor.prefer = map[string]*Hook{"security_file_open": h}
		selectAll(t, r.Sensor, "security_file_open")
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		pid := startTrigger(t, "paths", dir)
		want := pathsOpened(dir)
		last := want[len(want)-1]
		seen := func() (paths []string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, e := range r.events {
				if p, ok := argText(e, "pathname"); ok && int(e.HostPID) == pid && e.Name() == "security_file_open" {
					paths = append(paths, p)
				}
			}
			return paths
		}
		for deadline := 0; deadline < 1000; deadline++ {
			if s := seen(); len(s) > 0 && s[len(s)-1] == last && len(s) > len(want) {
				break
			}
			unix.Nanosleep(&unix.Timespec{Nsec: 5e6}, nil)
		}
		got := seen()
		from := 0
		for _, w := range want {
			at := -1
			for i := from; i < len(got) && at < 0; i++ {
				tail := strings.HasSuffix(got[i], "/"+strings.Repeat("l", 255)+"/end") && len(got[i]) > 4096-256 && len(got[i]) <= 4096
				if got[i] == w || w == "…" && tail {
					at = i
				}
			}
			if at < 0 {
				t.Fatalf("no open of %s after %d of:\n%s", w, from, strings.Join(got, "\n"))
			}
			from = at + 1
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
}
