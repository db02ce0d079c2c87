package tracee.T_18

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "T-18", "version": "1", "name": "Shell below a web server", "properties": {"Severity": 3}}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec"}

shells := {"/bin/sh", "/bin/bash", "/usr/bin/dash"}

tracee_match := {"argv": concat(" ", argv), "parent": input.process.ancestors[0].executable} if {
	helpers.get_tracee_argument("pathname") in shells
	some a in input.process.ancestors
	a.executable in {"/usr/sbin/nginx", "/usr/sbin/apache2"}
	argv := helpers.get_tracee_argument("argv")
	"-c" in argv
	count(argv) > 2
}
