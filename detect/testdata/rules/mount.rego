package tracee.T_11

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-11",
	"version": "0.1.0",
	"name": "Container device mount",
	"description": "Container device mount",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_sb_mount", "origin": "container"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "security_sb_mount"
	input.processName != "runc:[2:INIT]"
	dev := helpers.get_tracee_argument("dev_name")
	dev_match(dev)
	res := {"mounted device": dev}
}

dev_match(d) {
	startswith(d, "/dev/")
}

dev_match(d) {
	d == "overlay"
}
