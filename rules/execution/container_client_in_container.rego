package tocsin.rules.container_client_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_client_in_container",
	"version": "1.0.0",
	"name": "Container or cluster client started in a container",
	"description": "A client of a container runtime or of Kubernetes was started in a container: a step from one container to others.",
	"tags": ["container", "kubernetes"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1609, T1613",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1609/",
		"https://attack.mitre.org/techniques/T1613/",
	],
	"false_positives": [
		"CI runners, operators and jobs that are built around kubectl or docker. Except their images.",
	],
	"response": "See what was asked (the arguments, the API server's audit log) and with whose credentials.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.container_clients)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}
