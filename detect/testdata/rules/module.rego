package tracee.T_6

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-6",
	"version": "0.1.0",
	"name": "Kernel module loading",
	"description": "Kernel module loading",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "init_module"},
	{"source": "tracee", "name": "security_kernel_read_file"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.eventName == "init_module"
}

tracee_match = res {
	input.eventName == "security_kernel_read_file"
	helpers.get_tracee_argument("type") == "kernel-module"
	pathname := helpers.get_tracee_argument("pathname")
	res := {"pathname": pathname}
}
