package tocsin.rules.port_scan

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "port_scan",
	"version": "1.0.0",
	"name": "Port scan",
	"description": "One process connected to more than a hundred different addresses or ports within ten seconds.",
	"tags": ["network", "stateful"],
	"threshold": {"count": 100, "within": "10s", "by": "process", "distinct": "args.remote_addr"},
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1046",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1046/",
	],
	"false_positives": [
		"Monitoring, crawlers, peer-to-peer programs and service-mesh proxies.",
	],
	"response": "The finding's event names the last address; see the process and its parents, and what answered to it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match if {
	address := helpers.get_tracee_argument("remote_addr")
	address.sa_family in {"AF_INET", "AF_INET6"}
	not datagram
	not input.executable.path in data.tocsin.lists.scanning_programs
}

datagram if contains(helpers.get_tracee_argument("type"), "SOCK_DGRAM")
