package detect

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-io/tocsin/detect/policy"
	"github.com/tocsin-io/tocsin/event"
)

// hand is the built-in rules as one would write them in Go: a switch on the event, comparisons of its fields, maps for lists of
// whole paths. It only says which rules match; exceptions, limits and findings are the engine's.
type hand struct {
	lists  map[string][]string // for prefixes, suffixes and parts
	sets   map[string]map[string]bool
	nets   []netip.Prefix
	hits   []string
	argv   []string
	ev     *event.Event
	exe    string
	renown handCounts // ransomware_rename
	scans  handCounts // port_scan
	probes uint64     // thresholds that were reached

	pm, pmKnown bool
}

// handCounts counts different values by process, as the thresholds do.
type handCounts map[uint64]map[string]time.Time

func newHand(tb testing.TB) *hand {
	tb.Helper()
	h := &hand{lists: map[string][]string{}, sets: map[string]map[string]bool{}, renown: handCounts{}, scans: handCounts{}}
	tree := ReadTrees(false, Dir("../rules"))[0]
	for name, v := range policy.MergeLists(tree.Lists) {
		set := map[string]bool{}
		for _, x := range v.([]any) {
			h.lists[name] = append(h.lists[name], x.(string))
			set[x.(string)] = true
		}
		h.sets[name] = set
	}
	for _, n := range h.lists["allowed_networks"] {
		h.nets = append(h.nets, netip.MustParsePrefix(n))
	}
	return h
}

func (h *hand) hit(id string) { h.hits = append(h.hits, id) }

func anyPrefix(s string, list []string) bool {
	for _, x := range list {
		if strings.HasPrefix(s, x) {
			return true
		}
	}
	return false
}

func anySuffix(s string, list []string) bool {
	for _, x := range list {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}

func anyPart(s string, list []string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

func (h *hand) packageManager() bool {
	if !h.pmKnown {
		h.pmKnown, h.pm = true, h.sets["package_managers"][h.exe]
		if !h.pm && h.ev.Process != nil {
			for _, a := range h.ev.Process.Ancestors {
				if h.sets["package_managers"][a.Executable] {
					h.pm = true
					break
				}
			}
		}
	}
	return h.pm
}

func (h *hand) ancestor(n int) (string, bool) {
	if h.ev.Process == nil || len(h.ev.Process.Ancestors) <= n || h.ev.Process.Ancestors[n].Executable == "" {
		return "", false
	}
	return h.ev.Process.Ancestors[n].Executable, true
}

func (h *hand) parentIn(list string) bool {
	p, ok := h.ancestor(0)
	return ok && h.sets[list][p]
}

func (h *hand) runtime() bool {
	image := func(p string) bool { return h.sets["runtimes"][p] || anyPrefix(p, h.lists["runtime_copies"]) }
	if h.ev.Origin() == event.OriginHost && h.sets["runtimes"][h.exe] {
		return true
	}
	if !image(h.exe) {
		return false
	}
	for i := range 3 {
		p, ok := h.ancestor(i)
		if !ok {
			return false
		}
		if h.sets["runtimes"][p] {
			return true
		}
		if !image(p) {
			return false
		}
	}
	return false
}

func (h *hand) match(ev *event.Event) {
	h.hits, h.ev, h.exe, h.pmKnown = h.hits[:0], ev, "", false
	if ev.Process != nil {
		h.exe = ev.Process.Executable
	}
	inContainer := ev.Origin() == event.OriginContainer
	switch ev.Def.Name {
	case "security_file_open":
		h.open(inContainer)
	case "security_inode_rename":
		h.rename(ev.Str(0), ev.Str(1), inContainer)
	case "security_inode_symlink":
		link := ev.Str(ev.Def.Arg("linkpath"))
		h.changed(link)
		if anySuffix(link, h.lists["shell_histories"]) {
			h.hit("shell_history_cleared")
		}
	case "security_inode_unlink":
		h.unlink(ev.Str(0))
	case "sched_process_exec":
		h.exec(inContainer)
	case "magic_write":
		h.magic(ev.Str(0), ev.Bytes(1), inContainer)
	case "security_socket_connect":
		h.connect(inContainer)
	default:
		h.others(inContainer)
	}
}

// changed are the rules on a file that is written, or put into place.
func (h *hand) changed(path string) {
	guest := h.ev.Origin() != event.OriginHost
	for _, r := range [...]struct{ id, list string }{
		{"boot_script_write", "boot_scripts"},
		{"kernel_module_autoload", "module_autoload_files"},
		{"package_hook_write", "package_hooks"},
		{"scheduled_task_write", "scheduled_tasks"},
		{"udev_rule_write", "udev_rules"},
		{"systemd_unit_write", "systemd_units"},
	} {
		if (anyPrefix(path, h.lists[r.list]) || guest && anyPart(path, h.lists[r.list])) && !h.packageManager() {
			h.hit(r.id)
		} else if r.id == "systemd_unit_write" && strings.Contains(path, "/.config/systemd/user/") && !h.packageManager() {
			h.hit(r.id)
		}
	}
	in := func(id, list string, programs func() bool) {
		if (anyPrefix(path, h.lists[list]) || guest && anyPart(path, h.lists[list])) && !programs() && !h.packageManager() {
			h.hit(id)
		}
	}
	in("audit_config_write", "security_tool_files", func() bool { return h.sets["security_tools"][h.exe] })
	in("dynamic_linker_hijack", "linker_files", func() bool { return h.exe == "/usr/sbin/ldconfig" || h.exe == "/sbin/ldconfig" })
	in("sudoers_write", "sudoers_files", func() bool { return h.exe == "/usr/sbin/visudo" || h.exe == "/usr/bin/visudo" })
	if (h.sets["account_files"][path] || guest && anySuffix(path, h.lists["account_files"])) && !h.sets["account_tools"][h.exe] {
		h.hit("account_file_write")
	}
	if anyPart(path, h.lists["pam_files"]) && h.exe != "/usr/sbin/pam-auth-update" && !h.packageManager() {
		h.hit("pam_config_write")
	}
	if anyPart(path, h.lists["autostart_directories"]) && !h.packageManager() {
		h.hit("desktop_autostart_write")
	}
	profile := anySuffix(path, h.lists["shell_profiles"]) && h.exe != "/usr/sbin/useradd" && h.exe != "/usr/sbin/adduser" ||
		strings.HasPrefix(path, "/etc/profile.d") || guest && strings.Contains(path, "/etc/profile.d/")
	if profile && !h.packageManager() {
		h.hit("shell_profile_write")
	}
	if (anySuffix(path, h.lists["ssh_access_files"]) || strings.HasPrefix(path, "/etc/ssh/sshd_config.d")) && !h.packageManager() {
		h.hit("ssh_authorized_keys_write")
	}
	if anyPrefix(path, h.lists["system_binary_directories"]) && h.exe != "/usr/sbin/ldconfig" && h.exe != "/sbin/ldconfig" && !h.packageManager() {
		h.hit("system_binary_write")
	}
}

var webScripts = []string{".php", ".php5", ".phtml", ".phar", ".jsp", ".jspx", ".asp", ".aspx", ".cgi", ".cfm"}

// touched are the rules on a file that is read, or moved to be read elsewhere.
func (h *hand) touched(path string) {
	if anySuffix(path, h.lists["cloud_credentials"]) && !h.sets["cloud_clients"][h.exe] {
		h.hit("cloud_credentials_read")
	}
	if (anyPart(path, h.lists["kubernetes_credentials"]) && !strings.HasSuffix(path, ".crt") || strings.HasSuffix(path, "/.kube/config")) && !h.sets["kubernetes_programs"][h.exe] {
		h.hit("kubernetes_credentials_read")
	}
	if anySuffix(path, h.lists["password_hash_files"]) && !h.packageManager() {
		h.hit("shadow_file_read")
	}
	if anyPart(path, h.lists["ssh_private_keys"]) && !strings.HasSuffix(path, ".pub") && !h.sets["ssh_programs"][h.exe] {
		h.hit("ssh_private_key_read")
	}
}

var (
	processMemory = regexp.MustCompile(`/[0-9]+/(task/[0-9]+/)?mem$`)
	throughProc   = regexp.MustCompile(`proc/+(.*/)?[0-9]+/+(task/+[0-9]+/+)?(root|cwd)/`)
	ownProc       = regexp.MustCompile(`^/proc/(self|thread-self)/(task/[0-9]+/)?(root|cwd)/`)
	withinProc    = regexp.MustCompile(`^(\./+)*[0-9]+/+(task/+[0-9]+/+)?(root|cwd)/`)
	probeFiles    = []string{"/kprobe_events", "/uprobe_events", "/dynamic_events", "/set_ftrace_filter"}
	symbolFiles   = []string{"/proc/kallsyms", "/boot/System.map", "/boot/vmlinuz", "/sys/kernel/debug/kprobes", "/sys/kernel/notes", "/sys/kernel/btf/vmlinux"}
	runtimeNames  = []string{"/runc", "/crun", "/docker-runc", "/containerd-shim", "/containerd-shim-runc-v2", "/conmon", "/docker-init"}
)

func (h *hand) open(inContainer bool) {
	ev := h.ev
	path, flags := ev.Str(0), ev.Uint(1)
	write, truncate, appends := flags&3 != 0, flags&0o1000 != 0, flags&0o2000 != 0
	shell := func() bool { return anySuffix(h.exe, h.lists["shells"]) }
	own := func() bool {
		rest, ok := strings.CutPrefix(path, "/proc/")
		pid, _, _ := strings.Cut(rest, "/")
		return ok && pid != "" && pid == itoa(ev.PID)
	}
	h.touched(path)
	if write || truncate {
		h.changed(path)
		if anySuffix(path, webScripts) && anySuffix(h.exe, h.lists["servers"]) {
			h.hit("web_shell_write")
		}
	}
	if strings.HasPrefix(path, "/dev/input/event") && !h.sets["input_programs"][h.exe] {
		h.hit("input_device_read")
	}
	if strings.HasSuffix(path, "/mem") && processMemory.MatchString(path) && !own() && !h.sets["debuggers"][h.exe] {
		if write {
			h.hit("proc_mem_write")
		} else {
			h.hit("process_memory_read")
		}
	}
	if !write && !truncate && anySuffix(path, h.lists["shell_histories"]) && !shell() {
		h.hit("shell_history_read")
	}
	if (truncate || write && !appends) && anySuffix(path, h.lists["shell_histories"]) && !shell() {
		h.hit("shell_history_cleared")
	}
	if (truncate || write && !appends && !h.sets["login_records"][path]) && anyPrefix(path, h.lists["system_logs"]) && !h.sets["log_programs"][h.exe] && !h.packageManager() {
		h.hit("log_cleared")
	}
	if write && h.sets["hardening_settings"][path] && !h.sets["setting_tools"][h.exe] {
		h.hit("kernel_hardening_off")
	}
	if write && anySuffix(path, probeFiles) && !h.sets["bpf_programs"][h.exe] && !h.runtime() {
		h.hit("kernel_probe_attached")
	}
	if write && anyPrefix(path, h.lists["disks"]) && !h.sets["disk_programs"][h.exe] {
		h.hit("block_device_write")
	}
	if !write && strings.HasSuffix(path, "/sys/kernel/randomize_va_space") && !h.sets["setting_tools"][h.exe] && !h.sets["debuggers"][h.exe] {
		h.hit("aslr_inspected")
	}
	if !inContainer {
		return
	}
	if (strings.Contains(path, "/kubernetes.io/serviceaccount/") || strings.Contains(path, "/eks.amazonaws.com/serviceaccount/")) && strings.HasSuffix(path, "/token") {
		h.hit("service_account_token_read")
	}
	if anyPrefix(path, symbolFiles) && !h.sets["bpf_programs"][h.exe] {
		h.hit("kernel_symbols_read")
	}
	if strings.HasPrefix(path, "/proc/") && strings.HasSuffix(path, "/environ") && !own() || path == "/proc/sched_debug" || path == "/sys/kernel/debug/sched/debug" {
		h.hit("process_environment_read")
	}
	if write && (strings.HasSuffix(path, "/release_agent") || strings.HasSuffix(path, "/notify_on_release")) {
		h.hit("cgroup_release_agent")
	}
	opened := ev.Str(5)
	if write && (anySuffix(path, runtimeNames) && !h.packageManager() || strings.Contains(opened, "proc/") && strings.HasSuffix(opened, "/exe")) {
		h.hit("container_runtime_overwrite")
	}
	if write && anySuffix(path, h.lists["runtime_sockets"]) {
		h.hit("container_runtime_socket")
	}
	if throughProc.MatchString(opened) && !ownProc.MatchString(opened) || withinProc.MatchString(opened) {
		h.hit("host_root_through_proc")
	}
	if write && anySuffix(path, h.lists["kernel_helper_files"]) {
		h.hit("kernel_helper_overwrite")
	}
	switch path {
	case "/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port":
		h.hit("kernel_memory_read")
	default:
		if strings.HasSuffix(path, "/proc/kcore") {
			h.hit("kernel_memory_read")
		}
	}
}

func itoa(v uint32) string {
	var b [10]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return string(b[i:])
		}
	}
}

func (h *hand) rename(from, to string, inContainer bool) {
	h.touched(from)
	h.changed(to)
	if anySuffix(to, webScripts) && anySuffix(h.exe, h.lists["servers"]) {
		h.hit("web_shell_write")
	}
	if (anyPrefix(from, h.lists["system_logs"]) || anyPrefix(to, h.lists["system_logs"])) && !h.sets["log_programs"][h.exe] && !h.packageManager() {
		h.hit("log_cleared")
	}
	if h.sets["security_tools"][from] && !h.packageManager() {
		h.hit("security_tool_stopped")
	}
	if inContainer && strings.HasSuffix(to, "/release_agent") {
		h.hit("cgroup_release_agent")
	}
	if len(to) > len(from) && to[:len(from)] == from && to[len(from)] == '.' && !h.packageManager() {
		h.hit("ransomware_rename")
		h.reached(h.renown, to, 50)
	}
}

// reached counts a value of the process in ten seconds.
func (h *hand) reached(c handCounts, value string, limit int) {
	key := uint64(h.ev.HostPID)<<32 ^ h.ev.LeaderStart
	values := c[key]
	if values == nil {
		values = map[string]time.Time{}
		c[key] = values
	}
	now := time.Unix(0, int64(h.ev.Timestamp))
	values[strings.Clone(value)] = now
	if len(values) < limit {
		return
	}
	for v, at := range values {
		if now.Sub(at) > 10*time.Second {
			delete(values, v)
		}
	}
	if len(values) >= limit {
		h.probes++
		delete(c, key)
	}
}

func (h *hand) unlink(path string) {
	if anyPrefix(path, h.lists["system_logs"]) && !h.sets["log_programs"][h.exe] && !h.packageManager() {
		h.hit("log_cleared")
	}
	if h.sets["security_tools"][path] && !h.packageManager() {
		h.hit("security_tool_stopped")
	}
	if path == h.exe && anyPrefix(path, h.lists["temporary_directories"]) {
		h.hit("self_deletion")
	}
	if anySuffix(path, h.lists["shell_histories"]) && !anySuffix(h.exe, h.lists["shells"]) {
		h.hit("shell_history_cleared")
	}
}

func (h *hand) magic(path string, bytes []byte, inContainer bool) {
	if len(bytes) < 4 || !strings.EqualFold(string(bytes[1:4]), "elf") {
		return
	}
	if inContainer && !h.packageManager() {
		h.hit("executable_written_in_container")
	}
	if strings.Contains(path, "/.") && anyPrefix(path, h.lists["hiding_places"]) && !h.packageManager() {
		h.hit("executable_written_to_hidden_path")
	}
}

func (h *hand) connect(inContainer bool) {
	ev := h.ev
	a := ev.Sockaddr(ev.Def.Arg("remote_addr"))
	if a.Family == event.AFUnix {
		if inContainer && (anySuffix(a.Path, h.lists["runtime_sockets"]) || slices.ContainsFunc(h.lists["runtime_sockets"], func(s string) bool { return a.Path == strings.TrimPrefix(s, "/") })) {
			h.hit("container_runtime_socket")
		}
		return
	}
	if a.Family != event.AFInet && a.Family != event.AFInet6 {
		return
	}
	ip := a.Addr.Unmap()
	remote := !ip.IsLoopback() && !a.Addr.IsUnspecified() && a.Addr.IsValid()
	kind := ev.ArgText(ev.Def.Arg("type"))
	if !strings.Contains(kind, "SOCK_DGRAM") && !h.sets["scanning_programs"][h.exe] {
		h.hit("port_scan")
		h.reached(h.scans, string(ev.Bytes(ev.Def.Arg("remote_addr"))), 100)
	}
	port := itoa(uint32(a.Port))
	if remote && h.sets["mining_ports"][port] && !slices.ContainsFunc(h.nets, func(n netip.Prefix) bool { return n.Contains(ip) }) {
		h.hit("mining_pool_connection")
	}
	if fd := ev.Int(ev.Def.Arg("sockfd")); remote && fd >= 0 && fd <= 2 {
		h.hit("reverse_shell")
	}
	if !inContainer {
		return
	}
	if h.sets["metadata_addresses"][ip.String()] {
		h.hit("cloud_metadata_access")
	}
	if remote && (h.sets["kubernetes_api_addresses"][a.Addr.String()] || a.Port == 6443 || a.Port == 10250 || a.Port == 10255) {
		h.hit("kubernetes_api_contact")
	}
	if a.Port == 2375 || a.Port == 2376 {
		h.hit("container_runtime_socket")
	}
	if remote && a.Port == 22 {
		h.hit("ssh_from_container")
	}
}

func (h *hand) others(inContainer bool) {
	ev := h.ev
	text := func(name string) string { return ev.ArgText(ev.Def.Arg(name)) }
	switch ev.Def.Name {
	case "ptrace":
		switch text("request") {
		case "PTRACE_TRACEME":
			if !h.sets["debuggers"][h.exe] && !h.parentIn("debuggers") {
				h.hit("anti_debugging")
			}
		case "PTRACE_PEEKTEXT", "PTRACE_PEEKDATA":
			if !h.sets["debuggers"][h.exe] {
				h.hit("process_memory_read")
			}
		case "PTRACE_POKETEXT", "PTRACE_POKEDATA", "PTRACE_POKEUSR", "PTRACE_SETREGS", "PTRACE_SETREGSET", "PTRACE_SETFPREGS":
			if !h.sets["debuggers"][h.exe] {
				h.hit("ptrace_injection")
			}
		}
	case "process_vm_readv", "process_vm_writev":
		if ev.Int(ev.Def.Arg("pid")) != int64(ev.PID) && !h.sets["debuggers"][h.exe] {
			h.hit(map[string]string{"process_vm_readv": "process_memory_read", "process_vm_writev": "process_vm_write"}[ev.Def.Name])
		}
	case "security_bpf":
		if text("cmd") == "BPF_PROG_LOAD" && !h.sets["bpf_programs"][h.exe] && !h.runtime() {
			h.hit("bpf_program_load")
		}
	case "bpf_attach", "kprobe_attach":
		if !h.sets["bpf_programs"][h.exe] && !h.runtime() {
			h.hit("kernel_probe_attached")
		}
	case "init_module", "finit_module":
		if ev.Origin() != event.OriginHost || !h.sets["module_tools"][h.exe] {
			h.hit("kernel_module_load")
		}
	case "security_kernel_read_file":
		if p := text("pathname"); text("type") == "kernel-module" && !strings.HasPrefix(p, "/lib/modules/") && !strings.HasPrefix(p, "/usr/lib/modules/") && !strings.HasPrefix(p, "/run/modules/") {
			h.hit("kernel_module_from_unusual_path")
		}
	case "sched_process_exit":
		if ev.Uint(ev.Def.Arg("signal_code")) == 9 && ev.Uint(ev.Def.Arg("process_group_exit")) != 0 && h.sets["security_tools"][h.exe] {
			h.hit("security_tool_stopped")
		}
	case "socket_dup":
		a := ev.Sockaddr(ev.Def.Arg("remote_addr"))
		if fd := ev.Int(ev.Def.Arg("newfd")); fd >= 0 && fd <= 2 && a.Addr.IsValid() && !a.Addr.Unmap().IsLoopback() && !a.Addr.IsUnspecified() && !h.sets["super_servers"][h.exe] {
			h.hit("reverse_shell")
		}
	case "fchmodat":
		mode := ev.Uint(ev.Def.Arg("mode"))
		if (mode&0o4000 != 0 || mode&0o2010 == 0o2010 && anyPrefix(text("pathname"), h.lists["temporary_directories"])) && !h.packageManager() {
			h.hit("setuid_bit_set")
		}
	case "commit_creds":
		h.credentials()
	case "security_sb_mount":
		h.mount(inContainer, text("dev_name"), text("path"), text("type"))
	case "security_socket_create":
		if !inContainer || ev.Uint(ev.Def.Arg("kern")) != 0 {
			return
		}
		family, protocol := text("family"), ev.Int(ev.Def.Arg("protocol"))
		if family == "AF_PACKET" || strings.Contains(text("type"), "SOCK_RAW") && (family == "AF_INET" || family == "AF_INET6") && protocol != 1 && protocol != 58 {
			h.hit("packet_socket_in_container")
		}
	case "security_inode_mknod":
		if inContainer && strings.Contains(text("mode"), "S_IFBLK") && !h.runtime() {
			h.hit("container_device_node")
		}
	case "setns":
		if inContainer && ev.Return == 0 && !h.runtime() {
			h.hit("container_namespace_change")
		}
	case "unshare":
		const user, others = 0x10000000, 0x00020000 | 0x20000000 | 0x40000000 | 0x02000000 | 0x08000000 | 0x04000000
		flags := ev.Uint(ev.Def.Arg("flags"))
		if inContainer && (flags&user != 0 || flags&others != 0 && ev.Return == 0) && !h.runtime() {
			h.hit("container_namespace_change")
		}
	}
}
