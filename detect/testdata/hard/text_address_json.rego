package tracee.T_13

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-13",
	"version": "0.1.0",
	"name": "Address as text, parsed",
	"description": "Address as text, parsed",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_socket_connect"},
	{"source": "tracee", "name": "security_socket_bind"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	text := helpers.get_tracee_argument(["remote_addr", "local_addr"][_])
	addr := json.unmarshal(replace(text, "'", "\""))
	addr.sa_family == "AF_INET"
	addr.sin_port == "4444"
	res := {"port": to_number(addr.sin_port)}
}
