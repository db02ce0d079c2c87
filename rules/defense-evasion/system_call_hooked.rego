package tocsin.rules.system_call_hooked

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "system_call_hooked",
	"version": "1.0.0",
	"name": "System call hooked",
	"description": "An entry of the kernel's table of system calls does not lead to the kernel's own function: a module decides what every program sees and does by that call.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1014",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://docs.kernel.org/process/adding-syscalls.html",
	],
	"false_positives": [
		"Old antivirus modules that hook open and exec in the table. Add an exception for the rule, by the name of the module.",
	],
	"response": "The finding names the call and the module; \"hidden\" means that no list of modules shows it. Take the host off the network and image its memory and disk: what programs on it show cannot be trusted. Rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "hooked_syscall", "origin": "*"}

tracee_match := {"call": call, "owner": owner} if {
	input.eventName == "hooked_syscall"
	call := helpers.get_tracee_argument("syscall")
	owner := helpers.get_tracee_argument("owner")
}
