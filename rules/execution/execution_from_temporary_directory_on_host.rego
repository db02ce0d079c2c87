package tocsin.rules.execution_from_temporary_directory_on_host

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "execution_from_temporary_directory_on_host",
	"version": "1.0.0",
	"name": "Execution from a temporary directory of the host",
	"description": "A program in a directory that everybody may write was executed on the host. In containers another rule looks at it, which is on.",
	"tags": ["host"],
	"enabled": false,
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1059",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1059/",
		"https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch03s18.html",
	],
	"false_positives": [
		"Builds and tests, which compile programs there and run them: off unless enabled. On servers on which nobody builds, enable it.",
	],
	"response": "Save the program, find what wrote it, and mount the directory noexec.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "host"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some directory in data.tocsin.lists.temporary_directories
	startswith(path, directory)
	not tocsin.package_manager
}

# A script: its interpreter is the program.
tracee_match := {"path": script} if {
	script := helpers.get_tracee_argument("cmdpath")
	some directory in data.tocsin.lists.temporary_directories
	startswith(script, directory)
	path := helpers.get_tracee_argument("pathname")
	not startswith(path, "/tmp/")
	not tocsin.package_manager
}

# Started by the dynamic loader, which needs no right to execute it.
tracee_match := {"path": path} if {
	tocsin.loads_from(data.tocsin.lists.temporary_directories)
	path := helpers.get_tracee_argument("pathname")
	not tocsin.package_manager
}
