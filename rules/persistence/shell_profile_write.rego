package tocsin.rules.shell_profile_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "shell_profile_write",
	"version": "1.0.0",
	"name": "Shell start-up file written",
	"description": "A file that every shell reads when it starts was written: /etc/profile, /etc/bash.bashrc, or .bashrc, .profile, .zshrc and the like of a user.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1546.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1546/004/",
	],
	"false_positives": [
		"Users who edit their own files; installers of language version managers (nvm, rustup, conda) append to them.",
	],
	"response": "Compare the file with its backup or /etc/skel; look for aliases of sudo and ssh, and for commands that fetch something.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.shell_profiles
	endswith(path, file)
	not input.executable.path in {"/usr/sbin/useradd", "/usr/sbin/adduser"}
	not tocsin.package_manager
}

# Read by every login shell.
tracee_match := {"path": path} if {
	path := tocsin.changed_path
	startswith(path, "/etc/profile.d")
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	contains(path, "/etc/profile.d/")
	not tocsin.package_manager
}
