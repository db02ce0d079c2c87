package tocsin.rules.shell_history_disabled

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shell_history_disabled",
	"version": "1.0.0",
	"name": "Shell history turned off",
	"description": "A program was started by a shell that keeps no history: its environment sends the history nowhere, or keeps none of its lines.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1562.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/003/",
		"https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html",
	],
	"false_positives": [
		"Shared accounts and kiosks that are set up so on purpose.",
	],
	"response": "See who is logged in there (loginUserId) and what the session did: the audit log and findings have what the history has not.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"variable": off} if {
	some variable in helpers.get_tracee_argument("env")
	some off in {"HISTFILE=/dev/null", "HISTFILE=", "HISTSIZE=0", "HISTFILESIZE=0"}
	variable == off
	not tocsin.build_program
}
