package tocsin.rules.fileless_execution

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "fileless_execution",
	"version": "1.0.0",
	"name": "Program executed from memory",
	"description": "A program was executed from a memory file (memfd_create), from shared memory (/dev/shm, /run/shm) or from a file that was already deleted: nothing is left on disk to look at.",
	"tags": ["fileless"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1620",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1620/",
		"https://man7.org/linux/man-pages/man2/memfd_create.2.html",
	],
	"false_positives": [
		"Programs that were upgraded while they start others from their own, now deleted, file; snap and AppImage launchers.",
	],
	"response": "Save the program before it ends: cp /proc/<pid>/exe. Then find the parent: it holds what was downloaded.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	in_memory(path)
	not runtime
}

# A script: its interpreter is the program.
tracee_match := {"path": script} if {
	script := helpers.get_tracee_argument("cmdpath")
	some directory in {"/dev/shm/", "/run/shm/"}
	startswith(script, directory)
}

# Started by the dynamic loader, which needs no right to execute it.
tracee_match := {"path": path} if {
	tocsin.loads_from({"/dev/shm/", "/run/shm/", "/proc/self/fd/", "/dev/fd/"})
	path := helpers.get_tracee_argument("pathname")
}

in_memory(path) if startswith(path, "memfd:")

in_memory(path) if startswith(path, "/memfd:")

in_memory(path) if startswith(path, "/dev/shm/")

in_memory(path) if startswith(path, "/run/shm/")

in_memory(path) if endswith(path, " (deleted)")

# runc copies itself to memory before it starts a container, so that the container cannot overwrite it (CVE-2019-5736).
runtime if {
	contains(helpers.get_tracee_argument("pathname"), "memfd:runc_cloned:")
	input.process.ancestors[0].executable in data.tocsin.lists.runtimes
}
