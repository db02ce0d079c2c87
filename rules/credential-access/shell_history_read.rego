package tocsin.rules.shell_history_read

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shell_history_read",
	"version": "1.0.0",
	"name": "Shell history read",
	"description": "The command history of a user was opened by a program that is not a shell or an editor: people type passwords into commands.",
	"tags": ["credentials"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1552.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/003/",
	],
	"false_positives": [
		"Backup agents; database clients and language shells that read their own history.",
	],
	"response": "Look through the history for secrets, and change those that stand in it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	not tocsin.opened_for_change(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some file in data.tocsin.lists.shell_histories
	endswith(path, file)
	not shell
}

shell if {
	some name in data.tocsin.lists.shells
	endswith(input.executable.path, name)
}
