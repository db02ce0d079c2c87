package tocsin.rules.program_fetched_from_bare_address

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "program_fetched_from_bare_address",
	"version": "1.0.0",
	"name": "Program fetched from an address without a name",
	"description": "A process in a container asked a web server on the internet, which it called by its number, for a script or a program: how worms and miners fetch themselves.",
	"tags": ["container", "network"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1105",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1105/",
	],
	"false_positives": [
		"Mirrors of your own that have no name: except args.metadata.dst_ip, or give them one.",
	],
	"response": "Do not fetch it from the same network; see in the process's ancestors what was exploited, and stop the container: what was fetched runs by now.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_http_request", "origin": "container"}

tracee_match := {"host": request.host, "path": request.uri_path} if {
	request := helpers.get_tracee_argument("http_request")
	request.method == "GET"
	path := lower(request.uri_path)
	some suffix in data.tocsin.lists.program_suffixes
	endswith(path, suffix)
	regex.match(`^(\[[0-9a-f:.]+\]|(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+))*)(:[0-9]+)?$`, lower(request.host))
	not near
}

near if {
	some network in data.tocsin.lists.private_networks
	net.cidr_contains(network, helpers.get_tracee_argument("metadata").dst_ip)
}
