package tocsin.rules.package_hook_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "package_hook_write",
	"version": "1.0.0",
	"name": "Hook of the package manager written",
	"description": "A file that the package manager runs commands from was written by another program: it runs as root at the next installation.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1546.016",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1546/016/",
	],
	"false_positives": [
		"Configuration management sets options of apt in the same directory; image builds.",
	],
	"response": "Look for Pre-Invoke and Post-Invoke lines or plug-ins that no package owns.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.package_hooks
	startswith(path, file)
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.package_hooks
	contains(path, file)
	not tocsin.package_manager
}
