package tocsin.rules.udev_rule_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "udev_rule_write",
	"version": "1.0.0",
	"name": "Udev rule written",
	"description": "A rule of udev was written by a program other than the package manager: its RUN commands start as root when a device appears.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1546.017",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1546/017/",
		"https://man7.org/linux/man-pages/man7/udev.7.html",
	],
	"false_positives": [
		"Installers of device drivers; configuration management.",
	],
	"response": "Look for RUN+= in the rule, and remove it if nobody answers for it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.udev_rules
	startswith(path, file)
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.udev_rules
	contains(path, file)
	not tocsin.package_manager
}
