package tocsin.rules.kernel_thread_masquerade

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_thread_masquerade",
	"version": "1.0.0",
	"name": "Program dressed as a kernel thread",
	"description": "A program was started with a first argument in square brackets, as process lists show kernel threads.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1036.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1036/004/",
	],
	"false_positives": [
		"None known.",
	],
	"response": "Stop the program: a real kernel thread has no executable. Save /proc/<pid>/exe first.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv0": name, "path": path} if {
	name := helpers.get_tracee_argument("argv")[0]
	startswith(name, "[")
	name != "["
	path := helpers.get_tracee_argument("pathname")
	not tocsin.build_program
}
