package tocsin.rules.sudoers_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "sudoers_write",
	"version": "1.0.0",
	"name": "Sudo rules changed",
	"description": "/etc/sudoers or a file in /etc/sudoers.d was written by a program other than visudo and the package manager.",
	"tags": ["privileges"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1548.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1548/003/",
		"https://man7.org/linux/man-pages/man5/sudoers.5.html",
	],
	"false_positives": [
		"cloud-init and configuration management write files in /etc/sudoers.d.",
	],
	"response": "Read what was granted (sudo -l -U user), remove it if nobody answers for it, and look at what the user ran with sudo since.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.sudoers_files
	startswith(path, file)
	not input.executable.path in {"/usr/sbin/visudo", "/usr/bin/visudo"}
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.sudoers_files
	contains(path, file)
	not input.executable.path in {"/usr/sbin/visudo", "/usr/bin/visudo"}
	not tocsin.package_manager
}
