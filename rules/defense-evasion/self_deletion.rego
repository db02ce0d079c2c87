package tocsin.rules.self_deletion

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "self_deletion",
	"version": "1.0.0",
	"name": "Program in a temporary directory removes itself",
	"description": "A program that was started from a temporary directory removed its own file: it runs on without a trace on disk.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1070.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1070/004/",
	],
	"false_positives": [
		"Self-extracting installers.",
	],
	"response": "Save the program while it runs: cp /proc/<pid>/exe.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_unlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some directory in data.tocsin.lists.temporary_directories
	startswith(path, directory)
	path == input.executable.path
}
