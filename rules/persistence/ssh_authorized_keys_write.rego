package tocsin.rules.ssh_authorized_keys_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "ssh_authorized_keys_write",
	"version": "1.0.0",
	"name": "SSH authorised keys changed",
	"description": "An authorized_keys file or the configuration of the SSH server was written: whoever holds the new key can log in.",
	"tags": ["persistence", "ssh"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1098.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1098/004/",
		"https://man7.org/linux/man-pages/man8/sshd.8.html",
	],
	"false_positives": [
		"ssh-copy-id, cloud-init and configuration management add keys.",
	],
	"response": "Compare the keys with those you know, remove the others, and see in the log of sshd who logged in with them.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.ssh_access_files
	endswith(path, file)
	not tocsin.package_manager
}

# Settings of the server that the first file includes.
tracee_match := {"path": path} if {
	path := tocsin.changed_path
	startswith(path, "/etc/ssh/sshd_config.d")
	not tocsin.package_manager
}
