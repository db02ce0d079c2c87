package tocsin.rules.pam_config_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "pam_config_write",
	"version": "1.0.0",
	"name": "Authentication modules changed",
	"description": "A configuration or a module of PAM was written by a program other than the package manager: it can let a password of the attacker's choice in, and see all others.",
	"tags": ["credentials", "persistence"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1556.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1556/003/",
		"https://man7.org/linux/man-pages/man5/pam.d.5.html",
	],
	"false_positives": [
		"authselect, pam-auth-update and configuration management.",
	],
	"response": "Verify the packages' files (dpkg -V libpam-modules, rpm -V pam). If a module was replaced, change every password that was used since.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.pam_places
	startswith(path, file)
	not input.executable.path == "/usr/sbin/pam-auth-update"
	not tocsin.package_manager
}

# A module for another architecture, or in a directory of its own.
tracee_match := {"path": path} if {
	path := tocsin.changed_path
	endswith(path, ".so")
	contains(path, "/security/pam_")
	not input.executable.path == "/usr/sbin/pam-auth-update"
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.pam_files
	contains(path, file)
	not input.executable.path == "/usr/sbin/pam-auth-update"
	not tocsin.package_manager
}
