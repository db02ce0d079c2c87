package tocsin.rules.system_binary_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "system_binary_write",
	"version": "1.0.0",
	"name": "System program replaced",
	"description": "A file in a directory of system programs was written by a program other than the package manager: a trojan, or a second name for a tool.",
	"tags": ["integrity"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1554, T1036.005",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1554/",
	],
	"false_positives": [
		"Software that is installed by hand (make install with prefix /usr); updaters of agents; update-alternatives run by hand.",
	],
	"response": "Verify the file against its package (dpkg -V, rpm -V) and restore it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.system_binary_directories
	startswith(path, file)
	not input.executable.path in {"/usr/sbin/ldconfig", "/sbin/ldconfig"}
	not tocsin.package_manager
}
