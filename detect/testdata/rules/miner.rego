package tracee.T_19

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "T-19", "version": "1", "name": "Miner", "properties": {"Severity": 3}}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec"}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

tracee_match if {
	some a in helpers.get_tracee_argument("argv")
	regex.match(`^stratum\+(tcp|ssl)://`, lower(a))
}

tracee_match := {"port": port} if {
	port := helpers.get_tracee_argument("remote_addr").sin_port
	port in {"3333", "4444", "14444"}
}

tracee_match := {"port": port} if {
	port := helpers.get_tracee_argument("remote_addr").sin6_port
	port in {"3333", "4444", "14444"}
	input.container.image != "miner-lab"
}
