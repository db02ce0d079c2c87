package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// capabilities that the sensor needs, with what for.
var capabilities = []struct {
	bit    int
	name   string
	reason string
}{
	{unix.CAP_BPF, "CAP_BPF", "load BPF programs"},
	{unix.CAP_PERFMON, "CAP_PERFMON", "attach them to the kernel"},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "read /proc of other users' processes"},
}

// CheckPrivileges says what is missing for the sensor to run, and how to get it, in one error of several lines.
// It returns nil when nothing is known to be missing.
func CheckPrivileges() error {
	var missing []error
	if major, minor, err := kernelVersion(); err == nil && (major < 5 || major == 5 && minor < 8) {
		missing = append(missing, fmt.Errorf("kernel %d.%d is too old: Linux 5.8 or later is needed (ring buffer)", major, minor))
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		missing = append(missing, errors.New("/sys/kernel/btf/vmlinux is missing: use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys into the container"))
	}
	effective, err := effectiveCapabilities()
	if err != nil {
		missing = append(missing, err)
	}
	if effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		for _, c := range capabilities {
			if effective&(1<<c.bit) == 0 {
				missing = append(missing, fmt.Errorf("%s is missing (to %s): run as root (sudo), or give the capability (docker run --cap-add=%s; systemd AmbientCapabilities=)", c.name, c.reason, c.name))
			}
		}
	} else if effective&(1<<unix.CAP_SYS_PTRACE) == 0 {
		missing = append(missing, errors.New("CAP_SYS_PTRACE is missing (to read /proc of other users' processes): run as root (sudo), or give the capability"))
	}
	if len(missing) == 0 {
		// The capabilities are there; a seccomp filter or lockdown may still be in the way.
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "tocsin_probe", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		if err != nil {
			missing = append(missing, fmt.Errorf("the bpf system call is refused, perhaps by a seccomp profile, kernel lockdown or the memlock limit: %w", err))
		} else {
			m.Close()
		}
	}
	return errors.Join(missing...)
}

func kernelVersion() (major, minor int, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return 0, 0, fmt.Errorf("read kernel version: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0, fmt.Errorf("read kernel version %q: %w", release, err)
	}
	return major, minor, nil
}

func effectiveCapabilities() (uint64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if v, ok := strings.CutPrefix(sc.Text(), "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	return 0, errors.New("read capabilities: /proc/self/status has no CapEff")
}
