package tocsin.rules.path_traversal_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "path_traversal_read",
	"version": "1.0.0",
	"name": "Server reads outside of its files by a detour",
	"description": "A server opened a file of the system through a path with \"../\": a request led it out of the directory that it serves.",
	"tags": ["network", "web"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1190, T1083",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1190/",
		"https://owasp.org/www-community/attacks/Path_Traversal",
	],
	"false_positives": [
		"Configurations that name files by detours, read when the server starts.",
	],
	"response": "Find the request in the server's log (its time is the finding's), fix or block the path, and take what the file holds as known.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path, "asked": asked} if {
	path := helpers.get_tracee_argument("pathname")
	some place in {"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hosts", "/etc/ssh/", "/etc/ssl/private/", "/etc/crontab", "/root/", "/home/", "/var/log/auth", "/var/run/secrets/", "/run/secrets/"}
	startswith(path, place)
	asked := helpers.get_tracee_argument("syscall_pathname")
	contains(asked, "../")
	served
}

# Of processes, only what tells secrets: all else in /proc is read all the time, by every program of a build.
tracee_match := {"path": path, "asked": asked} if {
	path := helpers.get_tracee_argument("pathname")
	some file in {"/environ", "/cmdline", "/maps", "/mem", "/status", "/stat", "/mountinfo", "/version"}
	endswith(path, file)
	contains(path, "/proc/")
	asked := helpers.get_tracee_argument("syscall_pathname")
	contains(asked, "../")
	served
}

served if {
	some server in data.tocsin.lists.servers
	endswith(input.executable.path, server)
}

served if {
	some language in data.tocsin.lists.interpreters
	endswith(input.executable.path, language)
}

served if endswith(input.executable.path, "/java")
