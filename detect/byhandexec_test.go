package detect

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-io/tocsin/event"
)

var timestampOption = regexp.MustCompile(`^(-[acfhm]*[rdt]|--(reference|date))`)

// program is what exec needs to know once: the paths by which the program was started.
type program struct {
	path, called string
	argv         []string
	box, loader  bool
}

// runs is the helper of that name.
func (p *program) runs(names ...string) bool {
	if anySuffix(p.path, names) || anySuffix(p.called, names) {
		return true
	}
	if p.box && len(p.argv) > 1 && slices.Contains(names, "/"+p.argv[1]) {
		return true
	}
	if p.loader {
		for _, a := range p.argv {
			if anySuffix(a, names) {
				return true
			}
		}
	}
	return false
}

func (p *program) has(values ...string) bool {
	for _, a := range p.argv {
		if slices.Contains(values, a) {
			return true
		}
	}
	return false
}

func (p *program) starts(values ...string) bool {
	return slices.ContainsFunc(p.argv, func(a string) bool { return anyPrefix(a, values) })
}

func (p *program) loadsFrom(directories []string) bool { return p.loader && p.starts(directories...) }

// both: one argument has a part of each list.
func (p *program) both(a, b []string) bool {
	return slices.ContainsFunc(p.argv, func(s string) bool { return anyPart(s, a) && anyPart(s, b) })
}

var (
	decoders     = []string{"base64 -d", "base64 --decode", "base64 -D", "openssl enc -d", "openssl base64 -d", "xxd -r", "b64decode", "decode_base64", "base64_decode"}
	runners      = []string{"| sh", "|sh", "| bash", "|bash", "| /bin/", "|/bin/", "| python", "|python", "| perl", "|perl", "eval", "exec(", "sh <(", "bash <(", "bash -c \"$(", "sh -c \"$("}
	fetchers     = []string{"curl ", "wget ", "http://", "https://"}
	pipes        = []string{"| sh", "|sh", "| bash", "|bash", "| /bin/sh", "| /bin/bash", "|/bin/sh", "|/bin/bash", "| python", "|python", "| perl", "|perl", "| sudo bash", "| sudo sh", "bash <(", "sh <(", "$(curl", "$(wget", "`curl", "`wget"}
	networks     = []string{"socket", "Socket", "fsockopen", "TCPSocket"}
	starters     = []string{"pty.spawn", "subprocess", "dup2", "exec(", "exec {", "/bin/sh", "/bin/bash", "child_process"}
	libraryVars  = []string{"LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH="}
	preloadVars  = []string{"LD_PRELOAD=", "LD_AUDIT="}
	temporary    = []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"}
	strayPlaces  = []string{"=/home/", "=/root/", "=/var/www/", "=/proc/", ":/home/", ":/root/", ":/proc/", "/.", "=.", "memfd:"}
	packageHooks = []string{"-invoke", "pre-install-pkgs", "post-install-pkgs", "dir::bin::", "changelogs::always", "--pre-invoke=", "--post-invoke=", "--status-logger=", "--eval=%(", "%{lua:", "%(sh", "%(/bin/"}
	firewalls    = []string{"/xtables-nft-multi", "/xtables-legacy-multi", "/iptables", "/ip6tables", "/iptables-nft", "/iptables-legacy"}
	recovery     = [][2]string{{"/zfs", "destroy"}, {"/lvm", "lvremove"}, {"/btrfs", "delete"}, {"/restic", "forget"}, {"/borg", "delete"}, {"/borg", "prune"}, {"/etcdctl", "del"}, {"/snapper", "delete"}, {"/timeshift", "--delete-all"}}
)

func (h *hand) exec(inContainer bool) {
	ev, l := h.ev, h.lists
	p := &program{called: ev.Str(0), path: ev.Str(1)}
	h.argv = h.argv[:0]
	for _, a := range ev.StrList(2) {
		h.argv = append(h.argv, a)
	}
	p.argv = h.argv
	p.box = strings.HasSuffix(p.path, "/busybox") || strings.HasSuffix(p.path, "/toybox")
	p.loader = anySuffix(p.path, l["loaders"]) || anySuffix(p.called, l["loaders"])
	shell := anySuffix(p.path, l["shells"])
	interprets := p.runs(l["interpreters"]...)
	builds := anyPrefix(p.path, l["build_programs"])
	argument := func(list []string) bool {
		return slices.ContainsFunc(p.argv, func(a string) bool { return anyPart(a, list) })
	}

	if p.runs("/tar", "/bsdtar", "/zip", "/7zz", "/rar", "/cpio", "/scp", "/rsync", "/curl", "/busybox") && argument(l["sensitive_files"]) && !h.packageManager() {
		h.hit("sensitive_files_archived")
	}
	if p.runs("/ssh") && p.starts("-R", "-D", "-w", "-NR", "-ND", "-fNR", "-fND", "-oRemoteForward", "-oDynamicForward", "RemoteForward", "DynamicForward") {
		h.hit("ssh_port_forward")
	}
	if p.runs(l["tunnel_tools"]...) {
		h.hit("tunnel_tool")
	}
	if p.runs("/auditctl") && (p.has("-D") && !h.parentIn("security_tools") && !h.packageManager() || p.has("-e0", "-e") && p.has("0", "-e0")) {
		h.hit("audit_disabled")
	}
	if (interprets || p.runs(l["shells"]...)) && p.both(decoders, runners) {
		h.hit("encoded_command")
	}
	h.fileless(p)
	h.firewall(p, interprets)
	if anyPrefix(p.path, l["temporary_directories"]) && strings.Contains(p.path, "/.") || shell && anyPrefix(p.called, l["temporary_directories"]) && strings.Contains(p.called, "/.") {
		h.hit("hidden_executable")
	}
	if p.runs("/chattr") && p.has("+i", "-i", "=i", "+a", "-a", "+ia", "+ai", "-ia", "-ai") {
		h.hit("immutable_flag_changed")
	}
	if len(p.argv) > 0 && p.argv[0] != "[" && strings.HasPrefix(p.argv[0], "[") && !builds {
		h.hit("kernel_thread_masquerade")
	}
	library, history := false, false
	for _, v := range ev.StrList(3) {
		library = library || anyPrefix(v, libraryVars) && anyPart(v, temporary) || anyPrefix(v, preloadVars) && anyPart(v, strayPlaces)
		history = history || v == "HISTFILE=/dev/null" || v == "HISTFILE=" || v == "HISTSIZE=0" || v == "HISTFILESIZE=0"
	}
	if library && !builds {
		h.hit("preloaded_library")
	}
	if history && !builds {
		h.hit("shell_history_disabled")
	}
	if p.runs("/systemctl", "/service", "/update-rc.d", "/chkconfig", "/rc-service", "/initctl") && p.has("stop", "disable", "mask", "kill", "off", "remove") && p.starts(l["security_services"]...) && !h.packageManager() ||
		p.runs("/pkill", "/killall", "/pgrep", "/pidof", "/killall5") && p.starts(l["security_services"]...) {
		h.hit("security_tool_stopped")
	}
	if p.runs("/touch") && slices.ContainsFunc(p.argv, timestampOption.MatchString) && p.starts("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/lib/", "/etc/", "/var/log/") && !h.packageManager() {
		h.hit("system_file_timestomp")
	}
	if p.runs(l["enumeration_tools"]...) || shell && slices.ContainsFunc(p.argv, func(a string) bool { return anySuffix(a, l["enumeration_scripts"]) }) {
		h.hit("enumeration_tool")
	}
	if shell && p.both(fetchers, pipes) {
		h.hit("download_and_execute")
	}
	if p.runs(l["package_tools"]...) && slices.ContainsFunc(p.argv, func(a string) bool { return anyPart(strings.ToLower(a), packageHooks) }) {
		h.hit("package_manager_command")
	}
	if argument(l["reverse_shell_signs"]) && !builds || interprets && p.both(networks, starters) ||
		p.runs("/nc", "/ncat", "/netcat", "/nc.traditional", "/nc.openbsd", "/busybox") && p.has("-e", "-c", "--exec", "--sh-exec", "-ne", "-nve", "-nlvpe", "-lvpe") &&
			slices.ContainsFunc(p.argv, func(a string) bool { return anySuffix(a, l["shells"]) }) {
		h.hit("reverse_shell_command")
	}
	if argument(l["miner_signs"]) && !builds || p.runs(l["miner_programs"]...) {
		h.hit("crypto_miner")
	}
	disk := func(a string) bool { return anyPrefix(a, l["disks"]) }
	if p.runs(l["disk_wipers"]...) && slices.ContainsFunc(p.argv, disk) && !h.packageManager() || p.runs("/rm") && p.has("--no-preserve-root") ||
		p.runs("/dd", "/busybox") && slices.ContainsFunc(p.argv, func(a string) bool { return strings.HasPrefix(a, "of=") && disk(a[3:]) }) {
		h.hit("disk_destroyed")
	}
	if p.runs("/shred", "/srm", "/sfill", "/scrub", "/wipe") && !h.packageManager() {
		h.hit("file_shredded")
	}
	for _, r := range recovery {
		if strings.HasSuffix(p.path, r[0]) && p.has(r[1]) {
			h.hit("recovery_inhibited")
			break
		}
	}
	if p.runs("/insmod", "/kmod") && !h.sets["module_tools"][h.exe] && slices.ContainsFunc(p.argv, func(a string) bool {
		return strings.Contains(a, ".ko") && !strings.HasPrefix(a, "/lib/modules/") && !strings.HasPrefix(a, "/usr/lib/modules/")
	}) {
		h.hit("kernel_module_from_unusual_path")
	}
	if p.runs("/useradd", "/usermod", "/adduser") && (p.has("-u", "--uid", "-ou", "-o") && p.has("0") || p.has("-u0", "-ou0", "--uid=0")) {
		h.hit("root_account_created")
	}
	h.webShell(p, shell)
	if p.runs("/setcap") && (p.starts("cap_") && !h.packageManager() || p.starts("all=", "=ep", "=eip", "all+", "=")) {
		h.hit("file_capabilities_set")
	}
	if p.runs("/sudo") && len(p.argv) > 0 && strings.HasSuffix(p.argv[0], "sudoedit") && slices.ContainsFunc(p.argv, func(a string) bool { return strings.HasSuffix(a, "\\") }) ||
		p.runs("/pkexec") && (len(p.argv) == 0 || p.has("")) {
		h.hit("sudo_heap_overflow")
	}
	if inContainer {
		h.execInContainer(p, shell)
	}
}

func (h *hand) fileless(p *program) {
	memory := strings.HasPrefix(p.path, "memfd:") || strings.HasPrefix(p.path, "/memfd:") || strings.HasPrefix(p.path, "/dev/shm/") || strings.HasPrefix(p.path, "/run/shm/") || strings.HasSuffix(p.path, " (deleted)")
	if memory && !(strings.Contains(p.path, "memfd:runc_cloned:") && h.parentIn("runtimes")) || strings.HasPrefix(p.called, "/dev/shm/") || strings.HasPrefix(p.called, "/run/shm/") ||
		p.loadsFrom([]string{"/dev/shm/", "/run/shm/", "/proc/self/fd/", "/dev/fd/"}) {
		h.hit("fileless_execution")
	}
}

func (h *hand) firewall(p *program, interprets bool) {
	flushed := false
	if p.runs(firewalls...) {
		flush := p.has("-F", "--flush")
		flushed = flush && !p.has("-t", "--table") || flush && p.has("filter", "-tfilter", "--table=filter") || p.has("-P", "--policy") && p.has("INPUT") && p.has("ACCEPT")
	}
	if !flushed && p.runs("/nft") {
		flushed = p.starts("flush") && slices.ContainsFunc(p.argv, func(a string) bool { return strings.Contains(a, "ruleset") })
	}
	flushed = flushed && !h.parentIn("firewall_programs")
	off := p.has("disable", "reset") && (p.runs("/ufw") || interprets && slices.ContainsFunc(p.argv, func(a string) bool { return strings.HasSuffix(a, "/ufw") }))
	if flushed || off || p.runs("/systemctl") && p.has("stop", "disable", "mask") && p.starts("firewalld", "nftables", "iptables", "ufw") {
		h.hit("firewall_flushed")
	}
}

func (h *hand) webShell(p *program, shell bool) {
	parent, ok := h.ancestor(0)
	if !ok {
		return
	}
	server := anySuffix(parent, h.lists["servers"])
	if server && (shell || p.runs(h.lists["second_stage_programs"]...)) {
		h.hit("web_shell")
		return
	}
	if before, ok := h.ancestor(1); ok && shell && !server && anySuffix(before, h.lists["servers"]) {
		h.hit("web_shell")
	}
}

func (h *hand) execInContainer(p *program, shell bool) {
	ev, l := h.ev, h.lists
	if p.runs("/find", "/grep", "/egrep", "/fgrep", "/rg", "/ag", "/ack", "/locate", "/plocate", "/mlocate", "/fd", "/fdfind", "/busybox") &&
		slices.ContainsFunc(p.argv, func(a string) bool { return anyPart(strings.ToLower(a), l["secret_words"]) }) {
		h.hit("secret_search")
	}
	for _, r := range [...]struct{ id, list string }{
		{"compiler_in_container", "compilers"},
		{"network_tool_in_container", "network_tools"},
		{"container_client_in_container", "container_clients"},
		{"package_manager_in_container", "package_tools"},
	} {
		if p.runs(l[r.list]...) {
			h.hit(r.id)
		}
	}
	if changed := ev.Uint(ev.Def.Arg("ctime")); ev.Process != nil && slices.ContainsFunc(ev.Process.Ancestors, func(a *event.Process) bool {
		return a.ContainerID != "" && a.ContainerID == ev.Container.ID && changed > a.StartTime
	}) && !h.packageManager() {
		h.hit("new_executable_in_container")
	}
	if anyPrefix(p.path, l["temporary_directories"]) || shell && anyPrefix(p.called, l["temporary_directories"]) || p.loadsFrom(l["temporary_directories"]) {
		h.hit("execution_from_temporary_directory")
	}
	if in := ev.Str(ev.Def.Arg("stdin_path")); shell && ev.ArgText(ev.Def.Arg("stdin_type")) == "S_IFCHR" && (strings.HasPrefix(in, "/dev/pts/") || strings.HasPrefix(in, "/") && !strings.HasPrefix(in, "/dev/")) {
		h.hit("shell_in_container")
	}
	if p.runs("/curl") && (p.has("-T", "--upload-file", "-F", "--form") || p.starts("@", "--upload-file=", "--data-binary=@", "-d@", "-T/")) || p.runs("/wget") && p.starts("--post-file", "--body-file") {
		h.hit("upload_from_container")
	}
	if p.runs("/nsenter") || p.runs("/chroot", "/busybox", "/unshare") && p.has("/host", "/hostfs", "/rootfs", "/host-root", "/mnt/host", "/proc/1/root", "/proc/1/root/", "/host/") {
		h.hit("nsenter_in_container")
	}
}

var kernelFilesystems = []string{"debugfs", "tracefs", "securityfs", "cgroup", "cgroup2", "bpf", "efivarfs", "configfs"}

func (h *hand) mount(inContainer bool, device, path, kind string) {
	if rest, ok := strings.CutPrefix(path, "/proc/"); ok && rest != "" && rest[0] >= '1' && rest[0] <= '9' && !strings.Contains(path, "/fd/") && !strings.Contains(path, "/ns/") {
		h.hit("process_hidden_by_mount")
	}
	for _, list := range []string{"account_files", "sudoers_files", "pam_files", "scheduled_tasks", "systemd_units", "linker_files"} {
		if slices.ContainsFunc(h.lists[list], func(f string) bool { return strings.HasPrefix(path, strings.TrimSuffix(f, "/")) }) {
			if !h.sets["setting_tools"][h.exe] && !h.runtime() {
				h.hit("system_file_covered_by_mount")
			}
			break
		}
	}
	if !inContainer || h.runtime() {
		return
	}
	dev := strings.HasPrefix(device, "/dev/")
	switch device {
	case "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/null":
	default:
		if dev && !strings.HasPrefix(device, "/dev/pts/") {
			h.hit("container_mounts_device")
			return
		}
	}
	if !dev && slices.Contains(kernelFilesystems, kind) {
		h.hit("container_mounts_device")
	}
}

func (h *hand) credentials() {
	ev := h.ev
	before, after := ev.Bytes(ev.Def.Arg("old_cred")), ev.Bytes(ev.Def.Arg("new_cred"))
	if len(before) < 80 || len(after) < 80 {
		return
	}
	id := func(b []byte, n int) uint32 { return binary.NativeEndian.Uint32(b[4*n:]) }
	if id(before, 0) == 0 || id(before, 4) == 0 || id(before, 2) == 0 || id(after, 4) != 0 || id(before, 8) != id(after, 8) {
		return
	}
	switch ev.ArgText(ev.Def.Arg("syscall")) {
	case "execve", "execveat", "setfsuid":
	case "setuid", "setreuid", "setresuid":
		if binary.NativeEndian.Uint64(before[40+16:])&128 == 0 {
			h.hit("root_without_setuid")
		}
	default:
		h.hit("root_without_setuid")
	}
}
