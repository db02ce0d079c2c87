package tocsin.rules.dynamic_dns_lookup

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "dynamic_dns_lookup",
	"version": "1.0.0",
	"name": "Name of a dynamic DNS service looked up",
	"description": "A process in a container asked DNS for a name that anybody can have for nothing and point elsewhere at any moment: where much malware looks for its master.",
	"tags": ["container", "network", "command-and-control"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1568",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1568/",
	],
	"false_positives": [
		"Containers that talk to somebody's machine at home, and those that keep such a name up to date: except the image or the executable.",
		"A resolver in a container that asks for others: except its executable.",
	],
	"response": "Find the program that asked, and what it did with the answer. A name that nobody in the house owns is to be blocked at the resolver, and looked for in the logs of other machines.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_dns_request", "origin": "container"}

tracee_match := {"name": name} if {
	some question in helpers.get_tracee_argument("dns_questions")
	name := lower(question.query)
	tocsin.below(name, data.tocsin.lists.dynamic_dns_domains)
}
