package tocsin.rules.encrypted_dns_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "encrypted_dns_in_container",
	"version": "1.0.0",
	"name": "Container asks DNS where nobody can look",
	"description": "A process in a container connected to a public resolver by DNS over TLS or HTTPS: the names that it asks for, and data in them, pass every log of DNS.",
	"tags": ["container", "network", "command-and-control"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1071.004, T1572",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1071/004/",
		"https://attack.mitre.org/techniques/T1572/",
		"https://www.rfc-editor.org/rfc/rfc7858",
	],
	"false_positives": [
		"Resolvers that forward by TLS (Unbound, CoreDNS, Pi-hole, cloudflared): except their image or executable.",
		"Browsers in containers.",
	],
	"response": "See which program it is. An application asks the resolver that its container is given; one that brings its own has something to hide, or a library that should be told not to.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

# The port is DNS over TLS's and QUIC's alone.
tracee_match := {"address": ip, "port": "853"} if {
	address := helpers.get_tracee_argument("remote_addr")
	tocsin.port(address) == "853"
	ip := tocsin.remote_ip(address)
}

tracee_match := {"address": ip, "port": "443"} if {
	address := helpers.get_tracee_argument("remote_addr")
	tocsin.port(address) == "443"
	ip := tocsin.remote_ip(address)
	trim_prefix(ip, "::ffff:") in data.tocsin.lists.public_resolvers
}
