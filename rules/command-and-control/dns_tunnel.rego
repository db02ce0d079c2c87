package tocsin.rules.dns_tunnel

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "dns_tunnel",
	"version": "1.0.0",
	"name": "Data in the names of DNS queries",
	"description": "A process asked DNS for a name with a part as long as tunnels through DNS make it, of a type of record that carries data back.",
	"tags": ["network", "command-and-control"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1071.004, T1048.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1071/004/",
		"https://attack.mitre.org/techniques/T1048/003/",
	],
	"false_positives": [
		"Services that look up checksums by DNS, as some virus scanners do. Except their executable or, by the data of the finding, their domain.",
		"A resolver that asks for others: except its executable.",
	],
	"response": "Look at the domain that the names are below, and at what the process read before: the names carry it out. Block the domain at the resolver.",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_dns_request", "origin": "*"}

# Parts of a name have at most 63 characters. Keys of mail (DKIM) and of certificates (ACME) stay below 40.
tracee_match := {"name": question.query, "type": question.query_type} if {
	some question in helpers.get_tracee_argument("dns_questions")
	question.query_type in {"TXT", "NULL", "CNAME", "MX", "SRV"}
	regex.match(`(^|\.)[^.]{48,}\.`, question.query)
}
