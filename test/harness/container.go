package harness

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Container is a finished run of a container under runc.
type Container struct {
	ID     string // 64 hexadecimal digits, as Docker gives them
	Output string
	Code   int
}

// ContainerOptions say what runs in a container.
type ContainerOptions struct {
	Args   []string          // of a helper (see [Helper])
	Path   string            // program to run instead of a helper, in the container
	Mounts map[string]string // bind mounts: path in the container → path on the host
	Files  map[string]string // files of the root file system: path → content
	UID    int               // whom it runs as
	// Spec changes the OCI runtime configuration before it is used.
	Spec func(map[string]any)
}

// RunContainer runs a helper (see [Helper]) in a real container: its own pid, mount, network,
// ipc, uts and, where there are version 2 cgroups, cgroup namespaces, in a cgroup named as
// Docker names it. mounts are bind mounts: path in the container → path on the host.
func RunContainer(t testing.TB, mounts map[string]string, args ...string) Container {
	t.Helper()
	id, cmd := container(t, ContainerOptions{Mounts: mounts, Args: args})
	out, err := cmd.CombinedOutput()
	c := Container{ID: id, Output: string(out), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || strings.Contains(c.Output, "runc run failed") {
		t.Fatalf("runc run: %v\n%s", err, indent(c.Output))
	}
	return c
}

// StartContainer starts such a container and returns its id and the running runc, whose output is the container's.
func StartContainer(t testing.TB, o ContainerOptions) (string, *Process) {
	t.Helper()
	id, cmd := container(t, o)
	p := StartWith(t, func(c *exec.Cmd) { c.Dir = cmd.Dir }, cmd.Path, cmd.Args[1:]...)
	// When runc is killed, its container lives on.
	t.Cleanup(func() {
		exec.Command(cmd.Path, "--root", filepath.Join(cmd.Dir, "state"), "delete", "--force", id).Run()
	})
	return id, p
}

// container prepares a container and returns its id and the command that runs it.
func container(t testing.TB, o ContainerOptions) (string, *exec.Cmd) {
	t.Helper()
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc: install the package runc")
	}
	NeedRoot(t)
	raw := make([]byte, 32)
	rand.Read(raw)
	id := hex.EncodeToString(raw)

	bundle := t.TempDir()
	rootfs := filepath.Join(bundle, "rootfs")
	for _, dir := range []string{"proc", "dev", "sys", "tmp", "var/run", "etc"} {
		if err := os.MkdirAll(filepath.Join(rootfs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range o.Files {
		path := filepath.Join(rootfs, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	bind := maps.Clone(o.Mounts)
	if bind == nil {
		bind = map[string]string{}
	}
	if o.Path == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		o.Path, bind["/helper"] = "/helper", self
	}
	spec := map[string]any{
		"ociVersion": "1.0.2",
		"hostname":   "e2e",
		"root":       map[string]any{"path": "rootfs"},
		"process": map[string]any{
			"terminal": false, "cwd": "/", "user": map[string]int{"uid": o.UID, "gid": o.UID},
			"args": append([]string{o.Path}, o.Args...),
			"env":  []string{"PATH=/", helperEnv + "=1"},
		},
		"mounts": mountList(t, rootfs, bind),
		"linux": map[string]any{
			"cgroupsPath": "/docker/" + id,
			"namespaces":  namespaces(),
		},
	}
	if o.Spec != nil {
		o.Spec(spec)
	}
	config, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(runc, "--root", filepath.Join(bundle, "state"), "run", id)
	cmd.Dir = bundle
	return id, cmd
}

func namespaces() (list []map[string]string) {
	kinds := []string{"pid", "mount", "network", "ipc", "uts"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		kinds = append(kinds, "cgroup")
	}
	for _, kind := range kinds {
		list = append(list, map[string]string{"type": kind})
	}
	return list
}

func mountList(t testing.TB, rootfs string, bind map[string]string) []map[string]any {
	list := []map[string]any{
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
		{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
	}
	for _, dst := range slices.Sorted(maps.Keys(bind)) {
		// The point to mount on has to exist, as a file or a folder like its source.
		point := filepath.Join(rootfs, dst)
		st, err := os.Stat(bind[dst])
		if err == nil && st.IsDir() {
			err = os.MkdirAll(point, 0o755)
		} else if err == nil {
			if err = os.MkdirAll(filepath.Dir(point), 0o755); err == nil {
				err = os.WriteFile(point, nil, 0o755)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, map[string]any{
			"destination": dst, "type": "bind", "source": bind[dst], "options": []string{"bind", "rw"},
		})
	}
	return list
}

const helperEnv = "TOCSIN_TEST_HELPER"

// Helper runs a helper as a process of the host.
func Helper(t testing.TB, args ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helper %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// helper is what the test binary does when it was started as one:
//
//	connect PATH [COUNT [PAUSE]]   connect to a Unix socket, print the time before each system call
//	nats DIR ADDR [OPTION]…        serve NATS
//	relay ADDR TARGET              post again what is posted
//	chain DEPTH HELPER…            run a helper DEPTH processes further down
//	when FILE HELPER…              run a helper once the file is there
func helper(args []string) int {
	var err error
	switch {
	case len(args) >= 2 && args[0] == "connect":
		err = connect(args[1], args[2:])
	case len(args) > 2 && args[0] == "nats":
		err = natsHelper(args[1], args[2], args[3:])
	case len(args) == 3 && args[0] == "relay":
		err = relayHelper(args[1], args[2])
	case len(args) > 2 && args[0] == "chain":
		err = chain(args[1], args[2:])
	case len(args) > 2 && args[0] == "when":
		for _, no := os.Stat(args[1]); no != nil; _, no = os.Stat(args[1]) {
			time.Sleep(20 * time.Millisecond)
		}
		return helper(args[2:])
	default:
		err = fmt.Errorf("unknown helper %q", args)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "helper: %v\n", err)
		return 1
	}
	return 0
}

func chain(depth string, args []string) error {
	n, err := strconv.Atoi(depth)
	if err != nil {
		return err
	}
	if n > 1 {
		args = append([]string{"chain", strconv.Itoa(n - 1)}, args...)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func connect(path string, args []string) error {
	count, pause := 1, time.Duration(0)
	if len(args) > 0 {
		fmt.Sscan(args[0], &count)
	}
	if len(args) > 1 {
		pause, _ = time.ParseDuration(args[1])
	}
	for range count {
		at := time.Now().UnixNano()
		c, err := net.DialTimeout("unix", path, 5*time.Second)
		if err != nil {
			return err
		}
		c.Close()
		fmt.Println(at)
		time.Sleep(pause)
	}
	return nil
}

// UnixServer listens on a Unix socket and takes connections until the test ends.
func UnixServer(t testing.TB, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
}
