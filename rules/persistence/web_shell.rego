package tocsin.rules.web_shell

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "web_shell",
	"version": "1.0.0",
	"name": "Shell started by a server",
	"description": "A web server, an application server, a database or a message broker started a shell: the usual first step after a hole in it was used.",
	"tags": ["web"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1505.003, T1190",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1505/003/",
		"https://attack.mitre.org/techniques/T1190/",
	],
	"false_positives": [
		"CGI scripts, log pipes (Apache's piped logs through a shell), PHP's mail(), archive_command of PostgreSQL. Except the server with process.args.",
	],
	"response": "Read the shell's arguments and children in the alert, take the server out of service, and look through its access log at that second.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"server": parent, "program": path} if {
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	parent := input.process.ancestors[0].executable
	some server in data.tocsin.lists.servers
	endswith(parent, server)
}

# Without a shell: what fetches the next stage, or is a language to write it in.
tracee_match := {"server": parent, "program": path} if {
	tocsin.runs(data.tocsin.lists.second_stage_programs)
	path := helpers.get_tracee_argument("pathname")
	parent := input.process.ancestors[0].executable
	some server in data.tocsin.lists.servers
	endswith(parent, server)
}

# By way of another program: "timeout 9 sh".
tracee_match := {"server": server, "program": path} if {
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	server := input.process.ancestors[1].executable
	some name in data.tocsin.lists.servers
	endswith(server, name)
	every other in data.tocsin.lists.servers {
		not endswith(input.process.ancestors[0].executable, other)
	}
}
