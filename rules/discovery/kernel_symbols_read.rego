package tocsin.rules.kernel_symbols_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_symbols_read",
	"version": "1.0.0",
	"name": "Container reads the kernel's symbols",
	"description": "A process in a container opened the list of the kernel's symbols or the kernel's image: exploits look up addresses there.",
	"tags": ["container", "kernel"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1082, T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1082/",
	],
	"false_positives": [
		"BPF-based agents in containers. Add them to the list bpf_programs.",
	],
	"response": "See what else the container's processes did; update the kernel.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some file in {"/proc/kallsyms", "/boot/System.map", "/boot/vmlinuz", "/sys/kernel/debug/kprobes", "/sys/kernel/notes", "/sys/kernel/btf/vmlinux"}
	startswith(path, file)
	not input.executable.path in data.tocsin.lists.bpf_programs
}
