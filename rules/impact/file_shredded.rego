package tocsin.rules.file_shredded

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "file_shredded",
	"version": "1.0.0",
	"name": "Files destroyed beyond recovery",
	"description": "A program that overwrites files before it removes them was started.",
	"tags": ["destruction"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1485, T1070.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1485/",
		"https://attack.mitre.org/techniques/T1070/004/",
		"https://www.gnu.org/software/coreutils/manual/html_node/shred-invocation.html",
	],
	"false_positives": [
		"Scripts that remove keys and temporary secrets so.",
	],
	"response": "Stop the program if the files matter, and see what it was given; what was written over is gone: restore from backup.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/shred", "/srm", "/sfill", "/scrub", "/wipe"})
	argv := helpers.get_tracee_argument("argv")
	not tocsin.package_manager
}
