package tocsin.rules.anti_debugging

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "anti_debugging",
	"version": "1.0.0",
	"name": "Program asks to be traced by its parent",
	"description": "A program called ptrace with PTRACE_TRACEME though no debugger started it: the usual test for being debugged, since only one tracer is allowed.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1622",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1622/",
		"https://man7.org/linux/man-pages/man2/ptrace.2.html",
	],
	"false_positives": [
		"Debuggers that are not in the list debuggers; copy-protected programs.",
	],
	"response": "Take the program apart in a sandbox: it does not want to be watched.",
}

tracee_selected_events contains {"source": "tracee", "name": "ptrace", "origin": "*"}

tracee_match if {
	helpers.get_tracee_argument("request") == "PTRACE_TRACEME"
	not input.executable.path in data.tocsin.lists.debuggers
	not tocsin.parent_in(data.tocsin.lists.debuggers)
}
