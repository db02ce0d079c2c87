package tocsin.rules.kernel_module_autoload

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "kernel_module_autoload",
	"version": "1.0.0",
	"name": "Kernel module set to load at boot",
	"description": "A file that names kernel modules to load, or the commands run for them, was written by a program other than the package manager.",
	"tags": ["kernel", "persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1547.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1547/006/",
		"https://man7.org/linux/man-pages/man5/modules-load.d.5.html",
	],
	"false_positives": [
		"Container runtimes' installers and configuration management (br_netfilter, overlay).",
	],
	"response": "See which module is named, where its file comes from (modinfo), and remove the line if nobody answers for it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.module_autoload_files
	startswith(path, file)
	not input.executable.path in data.tocsin.lists.module_tools
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.module_autoload_files
	contains(path, file)
	not input.executable.path in data.tocsin.lists.module_tools
	not tocsin.package_manager
}
