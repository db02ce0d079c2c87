package tocsin.rules.new_executable_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "new_executable_in_container",
	"version": "1.0.0",
	"name": "Program that did not come with the image executed",
	"description": "A container executed a file that changed after the container had started: it was downloaded, built or altered there.",
	"tags": ["container", "drift"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1036, T1105",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1036/",
		"https://attack.mitre.org/techniques/T1105/",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	],
	"false_positives": [
		"Containers in which software is built or installed (CI runners, development containers): except their images.",
		"Agents that update themselves.",
	],
	"response": "Save the file before the container is gone (docker cp, or from /proc/<pid>/root), and find which process wrote it. Run containers with a read-only root file system.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path} if {
	changed := helpers.get_tracee_argument("ctime")
	some process in input.process.ancestors
	process.containerId == input.containerId
	changed > process.startTime
	path := helpers.get_tracee_argument("pathname")
	not tocsin.package_manager
}
