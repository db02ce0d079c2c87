package tocsin.rules.mass_deletion

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "mass_deletion",
	"version": "1.0.0",
	"name": "Files removed in bulk",
	"description": "One process removed more than a thousand files within ten seconds.",
	"tags": ["impact", "stateful"],
	"threshold": {"count": 1000, "within": "10s", "by": "process"},
	"enabled": false,
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1485, T1070.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1485/",
	],
	"false_positives": [
		"Cleaning build directories and caches (make clean, git clean): off unless enabled.",
	],
	"response": "Stop the process; take the file system off line if deleted files matter.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_unlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	not startswith(path, "/tmp/")
	not startswith(path, "/var/tmp/")
	not startswith(path, "/proc/")
	not tocsin.package_manager
}
