package tocsin.rules.dynamic_linker_hijack

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "dynamic_linker_hijack",
	"version": "1.0.0",
	"name": "Dynamic linker's configuration changed",
	"description": "/etc/ld.so.preload, the linker's configuration or the linker itself was written: a library named there is loaded into every program.",
	"tags": ["rootkit"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1574.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1574/006/",
		"https://man7.org/linux/man-pages/man8/ld.so.8.html",
	],
	"false_positives": [
		"Monitoring agents that install themselves through ld.so.preload.",
	],
	"response": "Read the file with a statically linked tool (busybox cat): the library may hide itself from all others. Keep the library, remove the line, restart what runs.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.linker_files
	startswith(path, file)
	not input.executable.path in {"/usr/sbin/ldconfig", "/sbin/ldconfig"}
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.linker_files
	contains(path, file)
	not input.executable.path in {"/usr/sbin/ldconfig", "/sbin/ldconfig"}
	not tocsin.package_manager
}
