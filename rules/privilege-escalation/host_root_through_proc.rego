package tocsin.rules.host_root_through_proc

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "host_root_through_proc",
	"version": "1.0.0",
	"name": "Container reaches files through another process's root",
	"description": "A process in a container opened a file through /proc/<pid>/root or /proc/<pid>/cwd of another process: with the host's process namespace that is the host's file system.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man5/proc_pid_root.5.html",
	],
	"false_positives": [
		"Node agents with hostPID (monitoring, security scanners). Except their image.",
	],
	"response": "Check whether the container shares the host's process namespace (hostPID, --pid=host) and why. See which files were opened.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": opened} if {
	opened := helpers.get_tracee_argument("syscall_pathname")
	regex.match(`proc/+(.*/)?[0-9]+/+(task/+[0-9]+/+)?(root|cwd)/`, opened)
	not regex.match(`^/proc/(self|thread-self)/(task/[0-9]+/)?(root|cwd)/`, opened)
}

# From within /proc.
tracee_match := {"path": opened} if {
	opened := helpers.get_tracee_argument("syscall_pathname")
	regex.match(`^(\./+)*[0-9]+/+(task/+[0-9]+/+)?(root|cwd)/`, opened)
}
