package tocsin.rules.tunnel_domain_lookup

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "tunnel_domain_lookup",
	"version": "1.0.0",
	"name": "Name of a tunnel or callback service looked up",
	"description": "A process in a container asked DNS for a service that makes any machine reachable from outside, or that collects requests of exploits.",
	"tags": ["container", "network", "command-and-control"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1572, T1102",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1572/",
		"https://attack.mitre.org/techniques/T1102/",
	],
	"false_positives": [
		"Containers of developers that show their work through a tunnel, and scanners of your own.",
		"A resolver in a container that asks for others: except its executable.",
	],
	"response": "Find the program that asked and what it did next. A name below a collector of requests (interact.sh, oastify.com) mostly means that an exploit was tried, and that it worked.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_dns_request", "origin": "container"}

tracee_match := {"name": name} if {
	some question in helpers.get_tracee_argument("dns_questions")
	name := lower(question.query)
	tocsin.below(name, data.tocsin.lists.tunnel_domains)
}
