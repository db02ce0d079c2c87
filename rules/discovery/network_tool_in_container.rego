package tocsin.rules.network_tool_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "network_tool_in_container",
	"version": "1.0.0",
	"name": "Network tool started in a container",
	"description": "A tool that looks into networks, carries connections or captures traffic was started in a container.",
	"tags": ["container", "network"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1046, T1018",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1046/",
	],
	"false_positives": [
		"Debugging containers (netshoot, busybox) that an operator started.",
	],
	"response": "Ask who works on the container. Nobody: see what the tool was pointed at (the arguments) and how it came into the image.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.network_tools)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}
