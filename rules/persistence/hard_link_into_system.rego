package tocsin.rules.hard_link_into_system

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "hard_link_into_system",
	"version": "1.0.0",
	"name": "Hard link put among the system's files",
	"description": "A file got a further name among accounts, sudo rules, PAM modules, scheduled tasks, units or loaded libraries: who owns it can change it later from its other name.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1053.003, T1543.002, T1548.003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1053/003/",
		"https://attack.mitre.org/techniques/T1543/002/",
		"https://man7.org/linux/man-pages/man2/link.2.html",
	],
	"false_positives": [
		"Configuration management that keeps hard-linked backups beside the files.",
	],
	"response": "Find the other name (find / -xdev -samefile FILE) and its owner, and remove both if nobody answers for them.",
}

tracee_selected_events contains {"source": "tracee", "name": "link", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "linkat", "origin": "*"}

tracee_match := {"path": path, "file": file} if {
	path := helpers.get_tracee_argument("newpath")
	some list in {"account_files", "sudoers_files", "scheduled_tasks", "systemd_units", "linker_files", "boot_scripts", "udev_rules", "module_autoload_files"}
	some start in data.tocsin.lists[list]
	startswith(path, start)
	file := helpers.get_tracee_argument("oldpath")
	not input.executable.path in data.tocsin.lists.account_tools
	not tocsin.package_manager
}

# Files whose directories differ.
tracee_match := {"path": path, "file": file} if {
	path := helpers.get_tracee_argument("newpath")
	some list in {"ssh_access_files", "shell_profiles"}
	some end in data.tocsin.lists[list]
	endswith(path, end)
	file := helpers.get_tracee_argument("oldpath")
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path, "file": file} if {
	input.origin != "host"
	path := helpers.get_tracee_argument("newpath")
	some list in {"sudoers_files", "scheduled_tasks", "systemd_units", "linker_files"}
	some start in data.tocsin.lists[list]
	contains(path, start)
	file := helpers.get_tracee_argument("oldpath")
	not tocsin.package_manager
}
