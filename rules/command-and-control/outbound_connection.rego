package tocsin.rules.outbound_connection

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "outbound_connection",
	"version": "1.0.0",
	"name": "Connection to an address that is not allowed",
	"description": "A process connected to an address outside of the networks in the list allowed_networks, or to a port outside of allowed_ports. Meant for machines whose traffic is known: fill the lists and enable the rule.",
	"tags": ["network"],
	"enabled": false,
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1071",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1071/",
	],
	"false_positives": [
		"Everything that the lists do not allow: off unless enabled.",
	],
	"response": "See which program connected and whether it should; add the address to the list or block it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match := {"address": ip, "port": port} if {
	address := helpers.get_tracee_argument("remote_addr")
	ip := tocsin.remote_ip(address)
	port := tocsin.port(address)
	not allowed(ip, port)
}

allowed(ip, _) if {
	some network in data.tocsin.lists.allowed_networks
	net.cidr_contains(network, ip)
}

allowed(_, port) if port in data.tocsin.lists.allowed_ports
