package tocsin.rules.hidden_executable

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "hidden_executable",
	"version": "1.0.0",
	"name": "Program run from a hidden path",
	"description": "A program was executed from a hidden directory below a directory that everybody may write, or is itself a hidden file there.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1564.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1564/001/",
	],
	"false_positives": [
		"AppImages (/tmp/.mount_…) and some build tools.",
	],
	"response": "Save the program, find who wrote it, and remove it.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some directory in data.tocsin.lists.temporary_directories
	startswith(path, directory)
	contains(path, "/.")
}

# A script: its interpreter is the program.
tracee_match := {"path": path, "script": script} if {
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	script := helpers.get_tracee_argument("cmdpath")
	some directory in data.tocsin.lists.temporary_directories
	startswith(script, directory)
	contains(script, "/.")
}
