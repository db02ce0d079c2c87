package tocsin.rules.kernel_helper_overwrite

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_helper_overwrite",
	"version": "1.0.0",
	"name": "Container writes a file through which the kernel runs programs",
	"description": "A process in a container opened core_pattern, modprobe, uevent_helper, sysrq-trigger or the binfmt_misc register file for writing. The kernel runs what they name as root on the host, or obeys them on the whole machine.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man5/core.5.html",
		"https://docs.kernel.org/admin-guide/sysrq.html",
	],
	"false_positives": [
		"Privileged set-up containers that tune the node (for example one that registers QEMU in binfmt_misc for foreign architectures).",
	],
	"response": "Compare the file with its expected content on the host (sysctl kernel.core_pattern kernel.modprobe) and restore it. If it names a program in a container's files, the host is compromised.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some name in data.tocsin.lists.kernel_helper_files
	endswith(path, name)
}
