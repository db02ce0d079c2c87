package tracee.T_12

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-12",
	"version": "0.1.0",
	"name": "Docker socket, as text",
	"description": "Docker socket, as text",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_socket_connect", "origin": "container"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	addr := helpers.get_tracee_argument("remote_addr")
	contains(addr, "docker.sock")
}
