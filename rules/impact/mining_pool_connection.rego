package tocsin.rules.mining_pool_connection

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "mining_pool_connection",
	"version": "1.0.0",
	"name": "Connection to a port of mining pools",
	"description": "A process connected to an address outside of the private networks, at a port on which pools of crypto miners listen.",
	"tags": ["network", "miner"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1496",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1496/",
		"https://www.iana.org/assignments/service-names-port-numbers/",
	],
	"false_positives": [
		"Services that happen to use such a port: add their networks to allowed_networks, or take the port from mining_ports.",
	],
	"response": "Look at the process's use of the processor and at where its program came from; block the address.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match := {"address": ip, "port": port} if {
	address := helpers.get_tracee_argument("remote_addr")
	port := tocsin.port(address)
	port in data.tocsin.lists.mining_ports
	ip := tocsin.remote_ip(address)
	not private(ip)
}

private(ip) if {
	some network in data.tocsin.lists.allowed_networks
	net.cidr_contains(network, ip)
}
