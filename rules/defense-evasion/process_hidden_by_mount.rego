package tocsin.rules.process_hidden_by_mount

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "process_hidden_by_mount",
	"version": "1.0.0",
	"name": "Process hidden by a mount",
	"description": "Something was mounted over the directory of a process in /proc: tools like ps no longer see the process.",
	"tags": ["evasion", "rootkit"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1564.013",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1564/013/",
	],
	"false_positives": [
		"None known.",
	],
	"response": "See what is mounted (grep proc/ /proc/self/mountinfo), unmount it and look at the process that appears.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_sb_mount", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("path")
	some pid in ["/proc/1", "/proc/2", "/proc/3", "/proc/4", "/proc/5", "/proc/6", "/proc/7", "/proc/8", "/proc/9"]
	startswith(path, pid)
	not contains(path, "/fd/")
	not contains(path, "/ns/")
}
