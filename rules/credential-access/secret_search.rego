package tocsin.rules.secret_search

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "secret_search",
	"version": "1.0.0",
	"name": "Search for keys or passwords",
	"description": "A search program was told to look for private keys, passwords or credential files.",
	"tags": ["container", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1552.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/001/",
	],
	"false_positives": [
		"Start-up scripts that look for a setting in their own configuration with grep.",
	],
	"response": "Run the same search: what it finds is what the attacker knows. Change those secrets.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs({"/find", "/grep", "/egrep", "/fgrep", "/rg", "/ag", "/ack", "/locate", "/plocate", "/mlocate", "/fd", "/fdfind", "/busybox"})
	some arg in argv
	some word in data.tocsin.lists.secret_words
	contains(lower(arg), word)
}
