package tocsin.rules.proc_mem_write

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "proc_mem_write",
	"version": "1.0.0",
	"name": "Memory of another process opened for writing",
	"description": "A process opened /proc/<pid>/mem of another process for writing. Writes to it go past the memory's protection, so that code can be changed in place.",
	"tags": ["injection"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1055.009",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1055/009/",
		"https://man7.org/linux/man-pages/man5/proc_pid_mem.5.html",
	],
	"false_positives": [
		"Debuggers, profilers and sandboxes (gVisor) that are not in the list debuggers.",
	],
	"response": "Treat the process whose number stands in the path as compromised: dump its memory, stop it, and find out how the writer got there.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "/mem")
	regex.match(`/[0-9]+/(task/[0-9]+/)?mem$`, path)
	not own(path)
	not input.executable.path in data.tocsin.lists.debuggers
}

# Runtimes with a just-in-time compiler and sanitizers write their own memory.
own(path) if startswith(path, sprintf("/proc/%d/", [input.processId]))
