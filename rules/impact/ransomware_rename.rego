package tocsin.rules.ransomware_rename

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ransomware_rename",
	"version": "1.0.0",
	"name": "Files renamed in bulk to a new suffix",
	"description": "One process gave more than fifty files within ten seconds a name with something appended, as ransomware does to what it has encrypted.",
	"tags": ["impact", "ransomware", "stateful"],
	"threshold": {"count": 50, "within": "10s", "by": "process", "distinct": "args.new_path"},
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1486",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1486/",
	],
	"false_positives": [
		"Scripts that keep a backup of each file they change (sed -i.bak on many files).",
	],
	"response": "Stop the process at once and keep its memory: the key may be in it. Unmount shares that the host can write.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": new} if {
	old := helpers.get_tracee_argument("old_path")
	new := helpers.get_tracee_argument("new_path")
	startswith(new, concat("", [old, "."]))
	not tocsin.package_manager
}
