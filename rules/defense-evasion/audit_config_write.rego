package tocsin.rules.audit_config_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "audit_config_write",
	"version": "1.0.0",
	"name": "Audit configuration changed",
	"description": "The configuration or rules of the audit system, or of another sensor on the host, were written by a program other than the package manager.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1562.012",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/012/",
		"https://man7.org/linux/man-pages/man7/audit.rules.7.html",
	],
	"false_positives": [
		"Administrators and configuration management that tune the rules.",
	],
	"response": "Compare with the intended configuration, restore it and reload (augenrules --load). Look at what happened since the change: it was not audited.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some file in data.tocsin.lists.security_tool_files
	startswith(path, file)
	not input.executable.path in data.tocsin.lists.security_tools
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some file in data.tocsin.lists.security_tool_files
	contains(path, file)
	not input.executable.path in data.tocsin.lists.security_tools
	not tocsin.package_manager
}
