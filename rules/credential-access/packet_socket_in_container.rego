package tocsin.rules.packet_socket_in_container

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "packet_socket_in_container",
	"version": "1.0.0",
	"name": "Packet or raw socket opened in a container",
	"description": "A process in a container opened a socket that sees or forges the packets of others: it can read what its neighbours send, or answer in their place.",
	"tags": ["container", "network"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1040, T1557",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1040/",
		"https://man7.org/linux/man-pages/man7/packet.7.html",
	],
	"false_positives": [
		"DHCP clients, network plug-ins, load balancers (keepalived) and packet captures by operators.",
	],
	"response": "Drop CAP_NET_RAW from the container; look for ARP entries on its neighbours that changed.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_create", "origin": "container"}

tracee_match := {"family": family} if {
	family := helpers.get_tracee_argument("family")
	family == "AF_PACKET"
	helpers.get_tracee_argument("kern") == 0
}

# Other than for ICMP, which ping needs.
tracee_match := {"family": family} if {
	contains(helpers.get_tracee_argument("type"), "SOCK_RAW")
	family := helpers.get_tracee_argument("family")
	family in {"AF_INET", "AF_INET6"}
	helpers.get_tracee_argument("kern") == 0
	protocol := helpers.get_tracee_argument("protocol")
	protocol != 1
	protocol != 58
}
