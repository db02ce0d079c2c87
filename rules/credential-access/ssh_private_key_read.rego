package tocsin.rules.ssh_private_key_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ssh_private_key_read",
	"version": "1.0.0",
	"name": "SSH private key read",
	"description": "A private SSH key of a user or of the host was opened by a program that is not part of SSH.",
	"tags": ["ssh", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1552.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/004/",
	],
	"false_positives": [
		"Backup agents; file managers and indexers; programs with an SSH client of their own (Ansible with paramiko, IDEs).",
	],
	"response": "Replace the key and remove it from every authorized_keys; see in the logs of the machines that it opens whether it was used.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := touched
	some name in data.tocsin.lists.ssh_private_keys
	contains(path, name)
	not endswith(path, ".pub")
	not input.executable.path in data.tocsin.lists.ssh_programs
}

touched := path if {
	input.eventName == "security_file_open"
	path := helpers.get_tracee_argument("pathname")
}

# Moved to where nobody looks, to be read there.
touched := path if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("old_path")
}
