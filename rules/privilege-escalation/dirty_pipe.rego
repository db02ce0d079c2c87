package tocsin.rules.dirty_pipe

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "dirty_pipe",
	"version": "1.0.0",
	"name": "Pipe left open to writing into a file",
	"description": "A splice left a buffer in a pipe that is merged with what is written next: that overwrites a file that may only be read, such as a set-user-id program (CVE-2022-0847, \"Dirty Pipe\").",
	"tags": ["exploit", "kernel"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1068/",
		"https://nvd.nist.gov/vuln/detail/CVE-2022-0847",
	],
	"false_positives": [
		"None known on a kernel with the hole; without it the event does not come.",
	],
	"response": "Update the kernel (5.16.11, 5.15.25, 5.10.102 or later). Compare the file with its package, dropping caches first: only the copy in memory may have changed.",
}

tracee_selected_events contains {"source": "tracee", "name": "dirty_pipe_splice", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("in_file_path")
	startswith(path, "/")
}
