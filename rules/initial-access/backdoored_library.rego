package tocsin.rules.backdoored_library

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "backdoored_library",
	"version": "1.0.0",
	"name": "Backdoored library loaded",
	"description": "A version of a library was loaded that is known to carry a back door: liblzma 5.6.0 and 5.6.1, which open sshd to whoever holds the key (CVE-2024-3094).",
	"tags": ["supply-chain"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1195.002, T1554",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1195/002/",
		"https://nvd.nist.gov/vuln/detail/CVE-2024-3094",
	],
	"false_positives": [
		"Distributions that shipped the version without the back door. Remove it from the list.",
	],
	"response": "Install another version at once, restart what uses it, and treat the machine as taken over if its sshd was reachable.",
}

tracee_selected_events contains {"source": "tracee", "name": "shared_object_loaded", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some library in data.tocsin.lists.backdoored_libraries
	endswith(path, library)
}
