package tracee.T_5

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-5",
	"version": "0.1.0",
	"name": "Fileless execution",
	"description": "Fileless execution",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "sched_process_exec"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "sched_process_exec"
	pathname := helpers.get_tracee_argument("pathname")
	startswith(pathname, "memfd:")
	not startswith(pathname, "memfd:runc")
	input.processName != "runc"
	res := {"pathname": pathname}
}

tracee_match = res {
	input.eventName == "sched_process_exec"
	pathname := helpers.get_tracee_argument("pathname")
	shm := ["/dev/shm/", "/run/shm/"][_]
	startswith(pathname, shm)
	res := {"pathname": pathname}
}
