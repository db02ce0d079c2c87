package simulate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A container is a runc container that runs a step of a simulation: its root holds nothing but this binary.
type container struct {
	files map[string]string // path to content; a path that ends in "/" is a directory
	links []string          // paths at which this binary appears, besides /tocsin
	binds map[string]string // path in the container to path on the host
	// readOnly are binds that the container can't write to.
	readOnly map[string]string
	// programs are paths of programs that do nothing.
	programs []string
}

// The parts of the OCI runtime specification, version 1.0, that are used here.
type (
	ociSpec struct {
		Version  string     `json:"ociVersion"`
		Process  ociProcess `json:"process"`
		Root     ociRoot    `json:"root"`
		Hostname string     `json:"hostname"`
		Mounts   []ociMount `json:"mounts"`
		Linux    ociLinux   `json:"linux"`
	}
	ociProcess struct {
		User         struct{ UID, GID int } `json:"user"`
		Args         []string               `json:"args"`
		Env          []string               `json:"env"`
		Cwd          string                 `json:"cwd"`
		Capabilities map[string][]string    `json:"capabilities"`
	}
	ociRoot struct {
		Path string `json:"path"`
	}
	ociMount struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type"`
		Source      string   `json:"source"`
		Options     []string `json:"options,omitempty"`
	}
	ociNamespace struct {
		Type string `json:"type"`
	}
	ociLinux struct {
		Namespaces  []ociNamespace `json:"namespaces"`
		CgroupsPath string         `json:"cgroupsPath"`
		Resources   struct{}       `json:"resources"`
	}
)

// Privileged enough for every behaviour that a rule about containers describes.
var containerCapabilities = []string{
	"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_SYS_MODULE", "CAP_MKNOD", "CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL", "CAP_SYS_CHROOT", "CAP_SYS_RAWIO",
}

// run starts the container, runs the step in it, waits, and removes it.
func (c container) run(e *env, name string, args ...string) (err error) {
	rootfs, bundle := filepath.Join(e.dir, "rootfs"), e.dir
	for _, d := range []string{"proc", "dev", "sys", "tmp", "run", "etc", "bin"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			return err
		}
	}
	if err := populate(rootfs, c.files, c.programs); err != nil {
		return err
	}
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	id := hex.EncodeToString(random[:])
	spec := c.spec(e.exe, id, name, args)
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600); err != nil {
		return err
	}
	state := filepath.Join(e.dir, "state")
	made := absentParents()
	e.log("runc run %s", id[:12])
	cmd := exec.CommandContext(e.ctx, "runc", append([]string{"--root", state, "run", "--bundle", bundle}, append(noPivot(), id)...)...)
	cmd.Dir = "/"
	defer func() {
		// The container may still run, or be half made, when the simulation was cancelled.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		out, delErr := exec.CommandContext(ctx, "runc", "--root", state, "delete", "--force", id).CombinedOutput()
		if delErr != nil && err == nil && !bytes.Contains(out, []byte("does not exist")) {
			err = fmt.Errorf("remove container: %w", said(delErr, string(out)))
		}
		if cgErr := removeCgroups(id, made); cgErr != nil && err == nil {
			err = cgErr
		}
	}()
	if err := e.run(cmd); err != nil {
		return fmt.Errorf("run container: %w", err)
	}
	return nil
}

func (c container) spec(exe, id, name string, args []string) ociSpec {
	s := ociSpec{
		Version: "1.0.2", Hostname: "tocsin-simulation", Root: ociRoot{"rootfs"},
		Process: ociProcess{Args: []string{"/tocsin"}, Env: step{Name: name, Args: args}.environ(), Cwd: "/", Capabilities: map[string][]string{}},
		Mounts: []ociMount{
			{"/proc", "proc", "proc", nil},
			{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{"/dev/pts", "devpts", "devpts", []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{"/dev/shm", "tmpfs", "shm", []string{"nosuid", "nodev", "mode=1777", "size=8m"}},
		},
		Linux: ociLinux{CgroupsPath: "/docker/" + id},
	}
	for _, set := range []string{"bounding", "effective", "permitted"} {
		s.Process.Capabilities[set] = containerCapabilities
	}
	for _, p := range append([]string{"/tocsin"}, c.links...) {
		s.Mounts = append(s.Mounts, ociMount{p, "bind", exe, []string{"bind", "ro"}})
	}
	for inside, outside := range c.binds {
		s.Mounts = append(s.Mounts, ociMount{inside, "bind", outside, []string{"bind"}})
	}
	for inside, outside := range c.readOnly {
		s.Mounts = append(s.Mounts, ociMount{inside, "bind", outside, []string{"bind", "ro"}})
	}
	for _, ns := range []string{"pid", "mount", "ipc", "uts", "network"} {
		s.Linux.Namespaces = append(s.Linux.Namespaces, ociNamespace{ns})
	}
	return s
}

// noPivot is runc's flag for an initial ramfs as root, which cannot be pivoted away.
func noPivot() []string {
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC) {
		return []string{"--no-pivot"}
	}
	return nil
}

// absentParents lists the parent groups that runc is going to make: those named docker that are not there yet.
func absentParents() []string {
	var out []string
	hierarchies, _ := filepath.Glob("/sys/fs/cgroup/*") // the pattern is valid
	for _, h := range append(hierarchies, "/sys/fs/cgroup") {
		p := filepath.Join(h, "docker")
		if _, err := os.Stat(p); errors.Is(err, os.ErrNotExist) {
			out = append(out, p)
		}
	}
	return out
}

// removeCgroups removes what runc leaves when it is killed: the container's groups with the processes in them, and the
// given parents. A parent that is in use by somebody else stays: rmdir refuses.
func removeCgroups(id string, parents []string) error {
	var groups []string
	for _, pattern := range []string{"/sys/fs/cgroup/*/docker/", "/sys/fs/cgroup/docker/"} {
		found, _ := filepath.Glob(pattern + id) // the pattern is valid
		groups = append(groups, found...)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		groups = slices.DeleteFunc(groups, func(g string) bool {
			killAll(g)
			err := unix.Rmdir(g)
			return err == nil || errors.Is(err, unix.ENOENT)
		})
		if len(groups) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove control groups: %s are still in use", strings.Join(groups, ", "))
		}
	}
	for _, p := range parents {
		_ = unix.Rmdir(p)
	}
	return nil
}

// killAll kills the processes of a control group.
func killAll(group string) {
	list, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return
	}
	for f := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
