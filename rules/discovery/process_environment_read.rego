package tocsin.rules.process_environment_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "process_environment_read",
	"version": "1.0.0",
	"name": "Container reads the environment of other processes",
	"description": "A process in a container opened the environment of another process: environments hold passwords and tokens, and with the host's process namespace those of the whole machine.",
	"tags": ["container"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1613, T1552",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1613/",
		"https://man7.org/linux/man-pages/man5/proc_pid_environ.5.html",
	],
	"false_positives": [
		"Process monitors and supervisors in containers (top-like tools, systemd, datadog-agent).",
	],
	"response": "See which processes were read; change the secrets that stood in their environment.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	startswith(path, "/proc/")
	endswith(path, "/environ")
	not startswith(path, sprintf("/proc/%d/", [input.processId]))
}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	path in {"/proc/sched_debug", "/sys/kernel/debug/sched/debug"}
}
