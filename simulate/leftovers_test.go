package simulate_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		t.Errorf("left behind: %s", filepath.Join(dir, f.Name()))
	}
}

// leftovers lists what a simulation could leave outside of its directory: mounts, cgroups and processes of this binary.
func leftovers(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "tocsin-simulate-") {
			out["mount "+line] = true
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/docker", "/sys/fs/cgroup/*/docker/*", "/sys/fs/cgroup/docker", "/sys/fs/cgroup/docker/*"} {
		groups, _ := filepath.Glob(pattern) // the pattern is valid
		for _, g := range groups {
			if st, err := os.Stat(g); err == nil && st.IsDir() {
				out["cgroup "+g] = true
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is valid
	for _, p := range procs {
		if exe, err := os.Readlink(p); err == nil && strings.TrimSuffix(exe, " (deleted)") == self {
			out["process "+p] = true
		}
	}
	return out
}

// same waits until nothing is there that was not before: what others on this machine start meanwhile ends as well.
func same(t *testing.T, before map[string]bool) {
	t.Helper()
	after := leftovers(t)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); after = leftovers(t) {
		maps.DeleteFunc(after, func(x string, _ bool) bool { return before[x] })
		if len(after) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	for x := range after {
		if !before[x] {
			t.Errorf("left behind: %s", x)
		}
	}
}

// machine describes what rules are about and simulations must not touch: files by their paths, and the kernel's state.
func machine(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{
		"/etc", "/root", "/home", "/boot", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/usr/lib/modules-load.d", "/usr/lib/udev/rules.d",
		"/lib/modules", "/var/spool", "/var/www", "/srv", "/opt",
	} {
		files := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil { // it is not there, or went away
				return nil
			}
			// Caches of the programs that build and test.
			if files++; files > 20000 || d.IsDir() && (d.Name() == "go" || d.Name() == "node_modules" || strings.HasPrefix(path, "/root/.cache")) {
				return fs.SkipDir
			}
			info, err := d.Info()
			if err != nil {
				return nil
			}
			st := info.Sys().(*syscall.Stat_t) // it is on Linux
			if !d.IsDir() {
				out[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano(), st.Ctim.Nano(), st.Ino, st.Uid)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"/proc/modules", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/randomize_va_space",
		"/proc/sys/kernel/hostname", "/sys/kernel/tracing/kprobe_events",
	} {
		text, err := os.ReadFile(path)
		if path == "/proc/modules" { // counts of uses change
			var names []string
			for line := range strings.Lines(string(text)) {
				names = append(names, strings.Fields(line)[0])
			}
			text = []byte(strings.Join(names, " "))
		}
		out[path] = fmt.Sprint(string(text), err)
	}
	for _, path := range []string{"/dev", "/dev/shm", "/dev/input", "/dev/disk", "/run"} {
		entries, _ := os.ReadDir(path) // not every machine has it
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "PostgreSQL.") { // a database's memory: tests beside this one start and stop some
				continue
			}
			out[filepath.Join(path, e.Name())] = e.Type().String()
		}
	}
	addrs, err := net.InterfaceAddrs()
	out["addresses"] = fmt.Sprint(addrs, err)
	return out
}

// unchanged compares the machine with what it was.
func unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	after := machine(t)
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if now, ok := after[path]; !ok {
			t.Errorf("%s is gone", path)
		} else if now != before[path] {
			t.Errorf("%s changed from %s to %s", path, before[path], now)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		}
	}
}
