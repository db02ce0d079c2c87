package tocsin.rules.hidden_kernel_module

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "hidden_kernel_module",
	"version": "1.0.0",
	"name": "Hidden kernel module",
	"description": "A kernel module is at work that the list of modules does not show: it took itself off the list.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1014, T1547.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://attack.mitre.org/techniques/T1547/006/",
	],
	"false_positives": [
		"None is known: the kernel itself never takes a module off the list while it is in use.",
	],
	"response": "The finding has the module's name, and the address of its struct module for whoever looks at the memory. Take the host off the network and image its memory and disk: what programs on it show cannot be trusted. Rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "hidden_kernel_module", "origin": "*"}

tracee_match := {"module": module} if {
	input.eventName == "hidden_kernel_module"
	module := helpers.get_tracee_argument("name")
}
