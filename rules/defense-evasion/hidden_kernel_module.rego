package tocsin.rules.hidden_kernel_module

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "hidden_kernel_module",
	"version": "1.0.0",
	"name": "Hidden kernel module",
	"description": "A kernel module is loaded that the kernel's list of modules does not show.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1014, T1564",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
	],
	"false_positives": [
		"None known.",
	],
	"response": "The host can no longer be trusted: image its disk and memory, and rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "hidden_kernel_module", "origin": "*"}

tracee_match := {"module": name} if {
	name := helpers.get_tracee_argument("name")
}
