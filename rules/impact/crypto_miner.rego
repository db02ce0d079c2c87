package tocsin.rules.crypto_miner

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "crypto_miner",
	"version": "1.0.0",
	"name": "Crypto miner started",
	"description": "A program was started with the arguments or the name of a crypto miner.",
	"tags": ["impact"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1496.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1496/001/",
	],
	"false_positives": [
		"Machines that mine on purpose.",
	],
	"response": "Stop the program, and find how it came: miners are mostly the visible end of an open service or a stolen key.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some sign in data.tocsin.lists.miner_signs
	contains(arg, sign)
	not tocsin.build_program
}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs(data.tocsin.lists.miner_programs)
	path := helpers.get_tracee_argument("pathname")
}
