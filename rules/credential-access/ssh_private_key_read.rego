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

# By their usual names anywhere, which kernels can tell from all other files at once.
tracee_match := {"path": path} if {
	path := touched
	some name in data.tocsin.lists.ssh_private_key_names
	endswith(path, name)
	not input.executable.path in data.tocsin.lists.ssh_programs
}

# By other names in the usual homes, and the keys of the machine.
tracee_match := {"path": path} if {
	path := touched
	some place in {"/root/", "/home/", "/etc/ssh/"}
	startswith(path, place)
	some name in data.tocsin.lists.ssh_private_keys
	contains(path, name)
	not endswith(path, ".pub")
	not input.executable.path in data.tocsin.lists.ssh_programs
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
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
