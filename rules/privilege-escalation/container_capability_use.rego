package tocsin.rules.container_capability_use

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_capability_use",
	"version": "2.0.0",
	"name": "Container uses a powerful capability",
	"description": "A process in a container made a system call that takes a capability which opens the host: SYS_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_RAWIO, BPF, PERFMON or DAC_READ_SEARCH. At most one finding a day and container.",
	"tags": ["container"],
	"rate": {"limit": 1, "per": "24h", "key": ["containerId"]},
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1611, T1548",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man7/capabilities.7.html",
	],
	"false_positives": [
		"Containers that are meant to do such a thing: storage and network plug-ins, containers that start containers, systemd in a container. Except their images.",
	],
	"response": "Compare with the capabilities that the container was given, and drop those that it does not need.",
}

tracee_selected_events contains {"source": "tracee", "name": "cap_capable", "origin": "container"}

# The kernel asks for SYS_ADMIN in many ordinary calls as well: for memory, it decides which reserve may be used.
tracee_match := {"capability": "CAP_SYS_ADMIN", "call": call} if {
	helpers.get_tracee_argument("cap") == "CAP_SYS_ADMIN"
	call := helpers.get_tracee_argument("syscall")
	call in {
		"mount", "umount2", "pivot_root", "fsopen", "fsmount", "move_mount", "open_tree", "mount_setattr", "setns",
		"unshare", "sethostname", "setdomainname", "swapon", "swapoff", "quotactl", "bpf", "perf_event_open", "fanotify_init",
	}
	not tocsin.runtime
}

tracee_match := {"capability": capability, "call": call} if {
	capability := helpers.get_tracee_argument("cap")
	capability in {"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_BPF", "CAP_PERFMON"}
	call := helpers.get_tracee_argument("syscall")
	not tocsin.runtime
}

# Looking at other users' processes in /proc asks for it too, and is ordinary.
tracee_match := {"capability": "CAP_SYS_PTRACE", "call": call} if {
	helpers.get_tracee_argument("cap") == "CAP_SYS_PTRACE"
	call := helpers.get_tracee_argument("syscall")
	call in {"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise"}
	not tocsin.runtime
}

tracee_match := {"capability": "CAP_DAC_READ_SEARCH", "call": call} if {
	helpers.get_tracee_argument("cap") == "CAP_DAC_READ_SEARCH"
	call := helpers.get_tracee_argument("syscall")
	call == "open_by_handle_at"
	not tocsin.runtime
}
