package tracee.T_4

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-4",
	"version": "0.1.0",
	"name": "Dynamic code loading",
	"description": "Dynamic code loading",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "mem_prot_alert"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "mem_prot_alert"
	message := helpers.get_tracee_argument("alert")
	message == "Protection changed from W to E!"
	res := {"alert": message}
}
