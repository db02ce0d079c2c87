package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/test/harness"
)

// A unit is a service that systemd runs as deployments/systemd says.
type unit string

const (
	sensorUnit unit = "tocsin-sensor.service"
	routerUnit unit = "tocsin-router.service"
	bothUnit   unit = "tocsin.service"
)

// The units as they are shipped, started by a real systemd: each program does its work, as confined as its unit says, and comes
// back when it is killed.
func TestUnits(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err != nil || os.Getenv("VMTEST_KERNEL") == "" {
		t.Skip("it needs a machine of its own with systemd: test/kernel/matrix runs it in a test kernel")
	}
	write := func(name, text string, mode os.FileMode) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("/etc/tocsin/environment", "NATS_URL="+harness.NewNATS(t, "").URL, 0o600)
	// Of the built-in rules the few whose names begin so: emulation takes minutes to load all.
	const config = "version: 1\nsensor: {disable: [\"[!f]*\"]}\n"
	write("/etc/tocsin/tocsin.yaml", config+"nats: {url: \"${env:NATS_URL}\"}\n", 0o644)

	systemctl(t, "start", string(routerUnit), string(sensorUnit))
	routerUnit.waitReady(t)
	sensorUnit.waitReady(t)
	const rule = "fileless_execution"
	simulated(t, rule)
	// The sensor keeps CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
	const few = "CapEff:\t000000c000080004\n"
	sensorUnit.confined(t, "/var/lib/tocsin", few)
	routerUnit.confined(t, "/var/lib/tocsin-router", "CapEff:\t0000000000000000\n")

	systemctl(t, "reload", string(routerUnit), string(sensorUnit))
	routerUnit.killed(t)
	alerted(t, rule) // it was kept
	if err := syscall.Kill(sensorUnit.pid(t), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	alerted(t, "tocsin_sensor_silent")
	sensorUnit.killed(t)
	alerted(t, "tocsin_sensor_killed")

	systemctl(t, "stop", string(routerUnit), string(sensorUnit))
	write("/etc/tocsin/tocsin.yaml", config, 0o644)
	systemctl(t, "start", string(bothUnit))
	bothUnit.waitReady(t)
	simulated(t, rule)
	bothUnit.confined(t, "/var/lib/tocsin", few)
}

func simulated(t *testing.T, rule string) {
	t.Helper()
	if out, diag, code := harness.Command(t, "tocsin", "simulate", rule); code != 0 {
		t.Errorf("tocsin simulate: exit code %d\n%s%s", code, out, diag)
	}
	alerted(t, rule)
}

// alerted waits until the router has an alert of a rule.
func alerted(t *testing.T, rule string) {
	t.Helper()
	router := &node{url: routerUnit.url()}
	harness.Eventually(t, 100*time.Second*harness.Slow(), func() error {
		for _, a := range router.alerts(t) {
			if a.Rule.ID == rule {
				t.Logf("%s: %s", rule, a.Message)
				return nil
			}
		}
		return fmt.Errorf("%w: no alert of %s", harness.ErrNotYet, rule)
	})
}

func systemctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// url is where the unit's program listens by default.
func (u unit) url() string {
	if u == sensorUnit {
		return "http://127.0.0.1:8701"
	}
	return "http://127.0.0.1:8700"
}

func (u unit) property(t *testing.T, name string) string {
	t.Helper()
	return systemctl(t, "show", "--value", "--property="+name, string(u))
}

func (u unit) pid(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(u.property(t, "MainPID"))
	if err != nil || pid == 0 {
		t.Fatalf("%s has no process: %v\n%s", u, err, u.log())
	}
	return pid
}

func (u unit) log() string {
	out, _ := exec.Command("journalctl", "--no-pager", "-u", string(u)).CombinedOutput() // nothing but what is said about a failure
	return string(out)
}

// waitReady waits until the unit's program does its work, for the first time or again.
func (u unit) waitReady(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(u.log())
		}
	})
	harness.Eventually(t, 30*time.Second*harness.Slow(), func() error { return ready(u.url()) })
}

// confined looks at the unit's process from outside: no new privileges, system calls filtered, these lines in its status, and
// nothing to write to but the folder of its state.
func (u unit) confined(t *testing.T, state string, want ...string) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", u.pid(t))
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range append(want, "NoNewPrivs:\t1\n", "Seccomp:\t2\n") {
		if !strings.Contains(string(status), line) {
			t.Errorf("%s: no %q in\n%s", u, line, status)
		}
	}
	for dir, refused := range map[string]error{"/usr/bin": syscall.EROFS, "/etc/tocsin": syscall.EROFS, "/root": syscall.EROFS, "/var/lib": syscall.EROFS, state: nil} {
		if err := os.WriteFile(proc+"root"+dir+"/probe", nil, 0o600); !errors.Is(err, refused) {
			t.Errorf("%s writes in %s: %v, want %v", u, dir, err, refused)
		}
	}
	if log := u.log(); strings.Contains(log, "not permitted") || strings.Contains(log, "not dropped") || strings.Contains(log, "changes of rules are not seen") {
		t.Errorf("something was refused:\n%s", log)
	}
}

// killed kills the unit's process and waits until systemd has started it again.
func (u unit) killed(t *testing.T) {
	t.Helper()
	before := u.pid(t)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 20*time.Second*harness.Slow(), func() error {
		if n := u.property(t, "NRestarts"); n != "1" {
			return fmt.Errorf("%w: %s restarts of %s", harness.ErrNotYet, n, u)
		}
		return nil
	})
	u.waitReady(t)
	if after := u.pid(t); after == before {
		t.Errorf("%s has not started again: process %d", u, after)
	}
}
