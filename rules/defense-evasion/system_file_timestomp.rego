package tocsin.rules.system_file_timestomp

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "system_file_timestomp",
	"version": "1.0.0",
	"name": "Times of a system file changed",
	"description": "touch was told to give a file in a system directory a time of choice or that of another file: it hides when it was changed.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1070.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1070/006/",
	],
	"false_positives": [
		"Package builds and stamp files in /usr/lib or /var.",
	],
	"response": "The change time (stat, ctime) tells the truth: list what else changed at that time.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "utimensat", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/touch"})
	argv := helpers.get_tracee_argument("argv")
	some option in argv
	regex.match(`^(-[acfhm]*[rdt]|--(reference|date))`, option)
	some file in argv
	some directory in {"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/lib/", "/etc/", "/var/log/"}
	startswith(file, directory)
	not tocsin.package_manager
}

# By another program than touch.
tracee_match := {"path": path} if {
	input.eventName == "utimensat"
	path := helpers.get_tracee_argument("pathname")
	some directory in {"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/lib/", "/etc/", "/var/log/"}
	startswith(path, directory)
	not tocsin.package_manager
	not tocsin.runtime
}
