package tracee.T_2

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-2",
	"version": "0.1.0",
	"name": "Anti-debugging",
	"description": "Anti-debugging",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "ptrace"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.eventName == "ptrace"
	arg_value := helpers.get_tracee_argument("request")
	arg_value == "PTRACE_TRACEME"
}
