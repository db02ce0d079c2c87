package tocsin.rules.mining_pool_lookup

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "mining_pool_lookup",
	"version": "1.0.0",
	"name": "Name of a mining pool looked up",
	"description": "A process asked DNS for the address of a crypto-mining pool.",
	"tags": ["impact", "network"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1496.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1496/001/",
	],
	"false_positives": [
		"Machines that mine on purpose, and people who visit a pool's web site.",
		"A resolver that asks for others: except its executable.",
	],
	"response": "Find the program that asked, stop it, and find how it came: miners are mostly the visible end of an open service or a stolen key.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_dns_request", "origin": "*"}

tracee_match := {"name": name} if {
	some question in helpers.get_tracee_argument("dns_questions")
	name := lower(question.query)
	tocsin.below(name, data.tocsin.lists.mining_domains)
}
