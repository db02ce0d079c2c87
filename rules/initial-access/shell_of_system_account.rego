package tocsin.rules.shell_of_system_account

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shell_of_system_account",
	"version": "1.0.0",
	"name": "Interactive shell of a system account",
	"description": "A shell with a terminal runs on the host as an account of a service (user id 1 to 999): services have no need to type.",
	"tags": ["accounts"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1078.003, T1059.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1078/003/",
	],
	"false_positives": [
		"Administrators who work as a service (su - postgres). Except the parent.",
	],
	"response": "See who became the account (the ancestors): an administrator by su or sudo, or the service itself, which then was taken over.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "host"}

tracee_match := {"shell": path} if {
	helpers.get_tracee_argument("stdin_type") == "S_IFCHR"
	startswith(helpers.get_tracee_argument("stdin_path"), "/dev/pts/")
	input.userId > 0
	input.userId < 1000
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
}
