package tocsin.rules.shell_history_cleared

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shell_history_cleared",
	"version": "1.0.0",
	"name": "Shell history cleared",
	"description": "The command history of a user was removed, truncated by a program other than a shell, or replaced by a link.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1070.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1070/003/",
	],
	"false_positives": [
		"Cleaning an image before it is published; users who keep no history.",
	],
	"response": "See who is logged in as that user, and from where (last, the log of sshd).",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_unlink", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := cleared
	some file in data.tocsin.lists.shell_histories
	endswith(path, file)
}

cleared := path if {
	input.eventName == "security_file_open"
	contains(helpers.get_tracee_argument("flags"), "O_TRUNC")
	path := helpers.get_tracee_argument("pathname")
	not shell
}

cleared := path if {
	input.eventName == "security_file_open"
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	not contains(helpers.get_tracee_argument("flags"), "O_APPEND")
	path := helpers.get_tracee_argument("pathname")
	not shell
}

cleared := path if {
	input.eventName == "security_inode_unlink"
	path := helpers.get_tracee_argument("pathname")
	not shell
}

cleared := path if {
	input.eventName == "security_inode_symlink"
	path := helpers.get_tracee_argument("linkpath")
}

# They rewrite their own history when they end.
shell if {
	some name in data.tocsin.lists.shells
	endswith(input.executable.path, name)
}
