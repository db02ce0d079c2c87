package tocsin.rules.boot_script_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "boot_script_write",
	"version": "1.0.0",
	"name": "Boot or login script written",
	"description": "A script that runs at boot, at a change of the network or at each login was written by a program other than the package manager.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1037.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1037/004/",
	],
	"false_positives": [
		"Configuration management; network managers that write their own dispatcher scripts.",
	],
	"response": "Read the script and remove what nobody answers for; it runs as root.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.boot_scripts
	startswith(path, file)
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.boot_scripts
	contains(path, file)
	not tocsin.package_manager
}
