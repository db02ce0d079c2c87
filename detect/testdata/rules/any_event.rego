package tracee.T_16

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-16",
	"version": "0.1.0",
	"name": "Root in any event",
	"description": "Root in any event",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "origin": "host"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.userId == 0
	input.processName == "evil"
}
