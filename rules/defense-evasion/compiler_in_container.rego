package tocsin.rules.compiler_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "compiler_in_container",
	"version": "1.0.0",
	"name": "Compiler started in a container",
	"description": "A compiler or linker was started in a container that serves: attackers compile exploits where they run them.",
	"tags": ["container"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1027.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1027/004/",
	],
	"false_positives": [
		"Image builds, CI jobs and development containers. Except their images.",
	],
	"response": "Look for the source and what became of the output; take compilers out of images that serve.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.compilers)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}
