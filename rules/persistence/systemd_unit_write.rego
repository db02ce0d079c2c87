package tocsin.rules.systemd_unit_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "systemd_unit_write",
	"version": "1.0.0",
	"name": "Systemd unit written",
	"description": "A unit or a drop-in of systemd was written by a program other than the package manager: a service or timer that starts by itself, usually as root.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1543.002, T1053.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1543/002/",
		"https://man7.org/linux/man-pages/man5/systemd.unit.5.html",
	],
	"false_positives": [
		"Configuration management and installers outside of the package manager; administrators who edit units by hand.",
	],
	"response": "Read the unit (systemctl cat), stop and disable it if nobody answers for it, and look at the program that it starts.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.systemd_units
	startswith(path, file)
	not tocsin.package_manager
}

# A user's own units.
tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some kind in {".service", ".timer", ".socket", ".path", ".target", ".mount", ".automount", ".slice", ".conf"}
	endswith(path, kind) # systemd reads no others
	contains(path, "/.config/systemd/user/")
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.systemd_units
	contains(path, file)
	not tocsin.package_manager
}
