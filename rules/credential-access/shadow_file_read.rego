package tocsin.rules.shadow_file_read

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shadow_file_read",
	"version": "1.0.0",
	"name": "Password hashes read",
	"description": "/etc/shadow, /etc/gshadow or a backup of them was opened by a program that is not one of those that check or change passwords.",
	"tags": ["credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1003.008",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1003/008/",
		"https://man7.org/linux/man-pages/man5/shadow.5.html",
	],
	"false_positives": [
		"Backup and configuration-management agents that read all of /etc. Except their executables.",
		"Programs that link PAM and run as root, such as display managers.",
	],
	"response": "See who ran the program (the ancestors and user). If the hashes may have left the host, change every password with a hash in the file.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := touched
	some file in data.tocsin.lists.password_hash_files
	endswith(path, file)
	not tocsin.package_manager
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
