package tocsin.rules.ssh_on_other_port

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ssh_on_other_port",
	"version": "1.0.0",
	"name": "SSH to an unusual port",
	"description": "The SSH client connected to a port other than 22: a tunnel out, or a server that hides.",
	"tags": ["network", "ssh"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1571, T1021.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1571/",
	],
	"false_positives": [
		"Servers that are moved to another port, and forges (port 443 or 2222). Add the ports to the list ssh_ports.",
	],
	"response": "See where it leads and who started it; add the port to the list if it is known.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match := {"address": ip, "port": port} if {
	input.processName == "ssh"
	address := helpers.get_tracee_argument("remote_addr")
	ip := tocsin.remote_ip(address)
	port := tocsin.port(address)
	not port in data.tocsin.lists.ssh_ports
	not datagram
}

datagram if contains(helpers.get_tracee_argument("type"), "SOCK_DGRAM")
