package bpf

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/event"
)

func TestContainerID(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for path, want := range map[string]string{
		"/docker/" + id:                         id,
		"/system.slice/docker-" + id + ".scope": id,
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope": id,
		"/machine.slice/libpod-" + id + ".scope/container":                    id,
		"/docker/" + strings.Repeat("a", 64) + "/docker/" + id:                id,
		"/kubepods.slice/crio-conmon-" + id + ".scope":                        "",
		"/machine.slice/libpod-conmon-" + id + ".scope":                       "",
		"/session/" + id[:32]:            "",
		"/docker/" + strings.ToUpper(id): "",
		"/":                              "",
		"":                               "",
	} {
		if got := ContainerID(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// startContainer runs the trigger in a container of its own by runc, with a bind mount source:target. It does not wait.
func startContainer(t *testing.T, trigger, arg, source, target string) (id string, cmd *exec.Cmd) {
	t.Helper()
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed")
	}
	var b [32]byte
	rand.Read(b[:])
	id = hex.EncodeToString(b[:])
	bundle := t.TempDir()
	root := filepath.Join(bundle, "rootfs")
	for _, dir := range []string{root, filepath.Join(root, "proc"), filepath.Join(root, "dev"), filepath.Join(root, "sys"), filepath.Join(root, "var", "run")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "trigger"), exe, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(runc, "spec", "-b", bundle).CombinedOutput(); err != nil {
		t.Fatalf("runc spec: %v: %s", err, out)
	}
	var spec map[string]any
	file := filepath.Join(bundle, "config.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		t.Fatal(err)
	}
	process := spec["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/trigger"}
	process["env"] = []string{"TOCSIN_TRIGGER=" + trigger, "TOCSIN_TRIGGER_ARG=" + arg}
	spec["linux"].(map[string]any)["cgroupsPath"] = "/docker/" + id
	if source != "" {
		spec["mounts"] = append(spec["mounts"].([]any), map[string]any{"destination": target, "type": "bind", "source": source, "options": []string{"bind"}})
	}
	if raw, err = json.Marshal(spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	cmd = exec.Command(runc, "--root", state, "run", "-b", bundle, "tocsin-"+id[:12])
	cmd.Stderr = os.Stderr
	t.Cleanup(func() { exec.Command(runc, "--root", state, "delete", "-f", "tocsin-"+id[:12]).Run() }) //nolint:errcheck // gone already
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return id, cmd
}

// The docker socket, reached from a container: who, where, by which name, and from which origin.
func TestContainer(t *testing.T) {
	r := startRecorder(t, Options{})
	selectAll(t, r.Sensor, "security_socket_connect", "sched_process_exec")
	socket := listen(t, "unix", filepath.Join(t.TempDir(), "other.sock")).Addr().String()
	id, cmd := startContainer(t, "connect unix", "/var/run/docker.sock", socket, "/var/run/docker.sock")
	if err := cmd.Wait(); err != nil {
		t.Fatal("runc run: ", err)
	}
	made := r.find(func(e *event.Event) bool {
		if e.Name() != "cgroup_mkdir" {
			return false
		}
		_, hierarchy := r.CgroupHierarchy()
		return ContainerID(e.Str(e.Arg("cgroup_path"))) == id && uint32(e.Uint(e.Arg("hierarchy_id"))) == hierarchy
	})
	if made == nil {
		t.Fatal("the container's control group was not seen")
	}
	cgroup := made.Uint(made.Arg("cgroup_id"))
	e := r.find(func(e *event.Event) bool {
		addr, _ := argText(e, "remote_addr")
		return e.Name() == "security_socket_connect" && addr == unixAddress("/var/run/docker.sock")
	})
	if e == nil {
		t.Fatal("no connection to /var/run/docker.sock")
	}
	if e.Origin() != event.OriginContainer || e.CgroupID != cgroup {
		t.Errorf("origin %v, cgroup %d; want %v, %d", e.Origin(), e.CgroupID, event.OriginContainer, cgroup)
	}
	if e.PID != 1 || e.HostPID == 1 || e.PPID != 0 || e.HostPPID == 0 || e.PidNS == inodeOf("/proc/self/ns/pid") || e.MntNS == inodeOf("/proc/self/ns/mnt") {
		t.Errorf("identity %+v", *e.Header)
	}
	if e.HostName() != "runc" {
		t.Errorf("host name %q", e.HostName())
	}
	first := r.find(func(x *event.Event) bool {
		return x.Name() == "sched_process_exec" && x.HostPID == e.HostPID && x.Origin() == event.OriginContainer
	})
	if first == nil {
		t.Fatal("the first program of the container was not seen as the container's")
	}
	if p, _ := argText(first, "pathname"); p != "/trigger" {
		t.Errorf("first program %s", p)
	}
	if first.Flags&event.FlagUnselected != 0 {
		t.Error("marked as unselected")
	}
	if r.find(func(x *event.Event) bool { return x.Name() == "cgroup_rmdir" && x.Uint(x.Arg("cgroup_id")) == cgroup }) == nil {
		t.Error("the end of the container was not seen")
	}
	// The other name of the socket, as its owner bound it.
	if r.find(func(x *event.Event) bool {
		addr, _ := argText(x, "remote_addr")
		return x.HostPID == e.HostPID && addr == unixAddress(socket)
	}) == nil && testFeatures(t).Hooks("security_socket_connect").Hook.Kind == SysExit {
		t.Error("the name that the socket was bound to was not seen")
	}
}

// Only containers are wanted: the host's connections do not leave the kernel.
func TestOrigin(t *testing.T) {
	r := startRecorder(t, Options{})
	if err := r.Select([]event.Selection{{Event: "security_socket_connect", Clauses: []event.Clause{{Origins: event.InContainer}}}}); err != nil {
		t.Fatal(err)
	}
	socket := listen(t, "unix", filepath.Join(t.TempDir(), "s")).Addr().String()
	host := startTrigger(t, "connect unix", socket)
	_, cmd := startContainer(t, "connect unix", "/run/s", socket, "/run/s")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if r.find(func(e *event.Event) bool {
		return e.Name() == "security_socket_connect" && e.Origin() == event.OriginContainer
	}) == nil {
		t.Error("the container's connection is missing")
	}
	if seen := r.of(host, "security_socket_connect"); len(seen) != 0 {
		t.Errorf("the host's connection came through: %s", seen)
	}
}

// A container that is older than the sensor.
func TestExistingContainer(t *testing.T) {
	testFeatures(t)
	ready := filepath.Join(t.TempDir(), "ready")
	if err := os.Mkdir(ready, 0o755); err != nil {
		t.Fatal(err)
	}
	id, cmd := startContainer(t, "wait", "/var/run", ready, "/var/run")
	waitFor(t, filepath.Join(ready, "started"))
	r := startRecorder(t, Options{})
	selectAll(t, r.Sensor, "memfd_create")
	found := uint64(0)
	for cgroup, c := range r.Containers() {
		if c == id {
			found = cgroup
		}
	}
	if found == 0 {
		t.Errorf("container %s is not among %v", id, r.Containers())
	}
	if err := os.WriteFile(filepath.Join(ready, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	e := r.find(func(e *event.Event) bool { return e.Name() == "memfd_create" && e.CgroupID == found })
	if e == nil || e.Origin() != event.OriginContainer {
		t.Errorf("event of an existing container: %v", e)
	}
}

func waitFor(t testing.TB, path string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("%s did not appear", path))
		}
	}
}
