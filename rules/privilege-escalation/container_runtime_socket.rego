package tocsin.rules.container_runtime_socket

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_runtime_socket",
	"version": "1.0.0",
	"name": "Container talks to the container runtime",
	"description": "A process in a container connected to the socket of the container runtime, or opened it. Whoever controls the runtime can start a privileged container and become root on the host.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611, T1610",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://attack.mitre.org/techniques/T1610/",
		"https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html",
	],
	"false_positives": [
		"Tools that manage containers from within one: Portainer, Traefik, Watchtower, CI runners, monitoring agents. Except their images by name.",
	],
	"response": "Find out what the container asked of the runtime (docker events, the daemon's log). If it was not meant to, stop the container, look for containers that were started at that time, and remove the socket from its mounts.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"socket": path} if {
	input.eventName == "security_socket_connect"
	path := helpers.get_tracee_argument("remote_addr").sun_path
	some socket in data.tocsin.lists.runtime_sockets
	endswith(path, socket)
}

tracee_match := {"socket": path} if {
	input.eventName == "security_file_open"
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some socket in data.tocsin.lists.runtime_sockets
	endswith(path, socket)
}

# Named from within its directory.
tracee_match := {"socket": path} if {
	input.eventName == "security_socket_connect"
	path := helpers.get_tracee_argument("remote_addr").sun_path
	some socket in data.tocsin.lists.runtime_sockets
	path == trim_prefix(socket, "/")
}

# The same service over the network.
tracee_match := {"address": address, "port": port} if {
	input.eventName == "security_socket_connect"
	address := helpers.get_tracee_argument("remote_addr")
	port := tocsin.port(address)
	port in {"2375", "2376"}
}
