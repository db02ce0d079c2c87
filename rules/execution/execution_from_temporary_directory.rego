package tocsin.rules.execution_from_temporary_directory

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "execution_from_temporary_directory",
	"version": "1.0.0",
	"name": "Program in a temporary directory run in a container",
	"description": "A program in a directory that everybody may write was executed in a container: what an image brings lies elsewhere.",
	"tags": ["container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1059, T1105",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1105/",
		"https://attack.mitre.org/techniques/T1059/",
	],
	"false_positives": [
		"Build and CI containers; language runtimes that unpack native helpers to /tmp (JNA, esbuild).",
	],
	"response": "Save the file before it is removed, see who wrote it, and mount /tmp noexec.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some directory in data.tocsin.lists.temporary_directories
	startswith(path, directory)
}

# A script: its interpreter is the program.
tracee_match := {"path": path, "script": script} if {
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	script := helpers.get_tracee_argument("cmdpath")
	some directory in data.tocsin.lists.temporary_directories
	startswith(script, directory)
}

# Started by the dynamic loader, which needs no right to execute it.
tracee_match := {"path": path} if {
	tocsin.loads_from(data.tocsin.lists.temporary_directories)
	path := helpers.get_tracee_argument("pathname")
}
