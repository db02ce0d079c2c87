package kernel

import (
	"fmt"
	"path/filepath"
)

// programUnit is the unit under which systemd runs the program; what init.sh does after the program has ended ends the machine.
const programUnit = `[Unit]
Description=The program of the test kernel
[Service]
ExecStart=/init service
PassEnvironment=vmtest_output
StandardOutput=tty
LimitMEMLOCK=infinity
`

// systemd adds this machine's systemd: the manager, the journal and the targets that units of services name. Services of its
// own are left out, because nothing of what they serve is there.
func (a *archive) systemd() {
	const dir = "/lib/systemd/"
	if !exists(dir + "systemd") {
		a.fail(fmt.Errorf("%w: %ssystemd not found: install the package systemd", ErrMissing, dir))
		return
	}
	names := []string{dir + "systemd", dir + "systemd-journald", "/bin/systemctl", "/bin/journalctl"}
	names = append(names, "/bin/kill") // that of busybox wants to change its user
	if executor := dir + "systemd-executor"; exists(executor) {
		names = append(names, executor) // from version 255 on it starts the services
	}
	for _, pattern := range []string{"*.target", "systemd-journald*.socket", "systemd-journald.service"} {
		found, _ := filepath.Glob(dir + "system/" + pattern) // fails only for a bad pattern
		names = append(names, found...)
	}
	for _, name := range names {
		a.file(name, name)
	}
	a.symlink("/etc/systemd/system/sysinit.target.wants/systemd-journald.service", dir+"system/systemd-journald.service")
	a.text("/etc/systemd/system/vmtest.service", 0o644, programUnit)
	a.text("/etc/machine-id", 0o444, "") // systemd makes one up
}
