package tracee.T_9

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-9",
	"version": "0.1.0",
	"name": "New executable dropped",
	"description": "New executable dropped",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "magic_write"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "magic_write"
	bytes := helpers.get_tracee_argument("bytes")
	helpers.is_elf_file(bytes)
	pathname := helpers.get_tracee_argument("pathname")
	not startswith(pathname, "/proc")
	res := {"pathname": pathname}
}
