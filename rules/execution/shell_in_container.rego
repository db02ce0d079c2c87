package tocsin.rules.shell_in_container

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "shell_in_container",
	"version": "1.0.0",
	"name": "Interactive shell in a container",
	"description": "A shell whose input is a terminal was started in a running container: somebody works in it by hand.",
	"tags": ["container", "shell"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1059.004, T1609",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1059/004/",
		"https://attack.mitre.org/techniques/T1609/",
	],
	"false_positives": [
		"Operators who use docker exec or kubectl exec to look into a container.",
	],
	"response": "Ask who works on the container: the Kubernetes audit log shows who called exec. Nobody: treat it as an intrusion.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"shell": path} if {
	helpers.get_tracee_argument("stdin_type") == "S_IFCHR"
	startswith(helpers.get_tracee_argument("stdin_path"), "/dev/pts/")
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
}

tracee_match := {"shell": path} if {
	helpers.get_tracee_argument("stdin_type") == "S_IFCHR"
	startswith(helpers.get_tracee_argument("stdin_path"), "/")
	not startswith(helpers.get_tracee_argument("stdin_path"), "/dev/")
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
}
