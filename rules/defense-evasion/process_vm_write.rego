package tocsin.rules.process_vm_write

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "process_vm_write",
	"version": "1.0.0",
	"name": "Memory of another process written",
	"description": "A process called process_vm_writev: it writes into the memory of another process without stopping it.",
	"tags": ["injection"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1055",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1055/",
		"https://man7.org/linux/man-pages/man2/process_vm_readv.2.html",
	],
	"false_positives": [
		"MPI and other high-performance libraries copy between their own processes this way; strace and debuggers in unusual places.",
	],
	"response": "Treat the target process as compromised. If the writer is a known parallel program, except its executable.",
}

tracee_selected_events contains {"source": "tracee", "name": "process_vm_writev", "origin": "*"}

tracee_match := {"target": target} if {
	target := helpers.get_tracee_argument("pid")
	target != input.processId
	not input.executable.path in data.tocsin.lists.debuggers
}
