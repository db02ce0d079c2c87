package tocsin.rules.memory_made_executable

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "memory_made_executable",
	"version": "1.0.0",
	"name": "Memory made executable after it was written",
	"description": "A process made memory executable that was writable before, or writable and executable at once: unpacked or injected code does, and so do just-in-time compilers.",
	"tags": ["evasion", "injection"],
	"enabled": false,
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1027.002, T1055",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1027/002/",
	],
	"false_positives": [
		"Just-in-time compilers outside of the list jit_programs: off unless enabled.",
	],
	"response": "Dump the memory at the address in the event and look for code that no file has.",
}

tracee_selected_events contains {"source": "tracee", "name": "mem_prot_alert", "origin": "*"}

tracee_match := {"alert": alert} if {
	alert := helpers.get_tracee_argument("alert")
	not input.executable.path in data.tocsin.lists.jit_programs
}
