package tocsin.rules.desktop_autostart_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "desktop_autostart_write",
	"version": "1.0.0",
	"name": "Desktop autostart entry written",
	"description": "An entry was written that starts a program when a user logs into the desktop.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1547.013",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1547/013/",
	],
	"false_positives": [
		"Desktop programs that offer to start at login.",
	],
	"response": "Read the Exec line of the entry and remove it if the user did not ask for it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	endswith(path, ".desktop") # desktops read no others
	some file in data.tocsin.lists.autostart_directories
	contains(path, file)
	not tocsin.package_manager
}
