package tocsin.rules.package_manager_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "package_manager_in_container",
	"version": "1.0.0",
	"name": "Package manager started in a container",
	"description": "Software is installed in a running container: images bring what they need, so this is work by hand or an intruder fetching tools.",
	"tags": ["container"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1105, T1609",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1105/",
	],
	"false_positives": [
		"Image builds that run as containers; start-up scripts that install packages; CI jobs.",
	],
	"response": "See what was installed (the arguments); rebuild the image with it if it is needed, and make the root file system read-only.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.package_tools)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}
