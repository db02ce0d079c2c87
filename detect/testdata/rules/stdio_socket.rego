package tracee.T_1

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-1",
	"version": "0.1.0",
	"name": "Standard input/output over socket",
	"description": "Standard input/output over socket",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_socket_connect"},
	{"source": "tracee", "name": "socket_dup"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.eventName == "security_socket_connect"
	helpers.get_tracee_argument("sockfd") == [0, 1, 2][_]
	addr := helpers.get_tracee_argument("remote_addr")
	supported_ip_families(addr)
}

tracee_match {
	input.eventName == "socket_dup"
	fd := helpers.get_tracee_argument("newfd")
	fd >= 0
	fd <= 2
	addr := helpers.get_tracee_argument("remote_addr")
	supported_ip_families(addr)
}

supported_ip_families(addr) {
	addr.sa_family == "AF_INET"
}

supported_ip_families(addr) {
	addr.sa_family == "AF_INET6"
}
