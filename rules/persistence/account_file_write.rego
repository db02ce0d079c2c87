package tocsin.rules.account_file_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "account_file_write",
	"version": "1.0.0",
	"name": "Accounts changed outside of their tools",
	"description": "/etc/passwd, /etc/shadow, /etc/group or /etc/gshadow was changed by a program that is not one of those that manage accounts.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1136.001, T1098",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1136/001/",
		"https://man7.org/linux/man-pages/man5/passwd.5.html",
	],
	"false_positives": [
		"cloud-init, container entry points that add a line for an arbitrary user id, and configuration management.",
	],
	"response": "Compare with the backup (/etc/passwd-): look for a second account with uid 0 and for accounts without password.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	path in data.tocsin.lists.account_files
	not input.executable.path in data.tocsin.lists.account_tools
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.account_files
	endswith(path, file)
	not input.executable.path in data.tocsin.lists.account_tools
}
