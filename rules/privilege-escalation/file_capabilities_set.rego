package tocsin.rules.file_capabilities_set

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "file_capabilities_set",
	"version": "1.0.0",
	"name": "Capabilities given to a file",
	"description": "A program was given capabilities: who executes it gets a part of root's rights.",
	"tags": ["privileges"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1548.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1548/001/",
		"https://man7.org/linux/man-pages/man7/capabilities.7.html",
	],
	"false_positives": [
		"Servers that are allowed to bind low ports that way, set by hand.",
	],
	"response": "Read it back (getcap -r /) and remove it (setcap -r) if nobody answers for it.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "setxattr", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "lsetxattr", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "fsetxattr", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/setcap"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	startswith(arg, "cap_")
	not tocsin.package_manager
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/setcap"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some all in {"all=", "=ep", "=eip", "all+", "="}
	startswith(arg, all)
}

# By another program than setcap.
tracee_match := {"call": input.eventName} if {
	input.eventName in {"setxattr", "lsetxattr", "fsetxattr"}
	helpers.get_tracee_argument("name") == "security.capability"
	not tocsin.package_manager
	not tocsin.runtime
}
