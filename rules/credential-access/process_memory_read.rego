package tocsin.rules.process_memory_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "process_memory_read",
	"version": "1.0.0",
	"name": "Memory of another process read",
	"description": "A process opened the memory of another one for reading, or called process_vm_readv on it: passwords and keys lie there in the clear.",
	"tags": ["credentials"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1003.007",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1003/007/",
		"https://man7.org/linux/man-pages/man2/process_vm_readv.2.html",
	],
	"false_positives": [
		"Profilers and crash reporters that are not in the list debuggers (py-spy, breakpad, Chromium's sandbox).",
	],
	"response": "Find out which process was read (the number in the data) and treat its secrets as known.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "process_vm_readv", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "ptrace", "origin": "*"}

tracee_match := {"path": path} if {
	input.eventName == "security_file_open"
	not helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "/mem")
	regex.match(`/[0-9]+/(task/[0-9]+/)?mem$`, path)
	not startswith(path, sprintf("/proc/%d/", [input.processId]))
	not input.executable.path in data.tocsin.lists.debuggers
}

tracee_match := {"target": target} if {
	input.eventName == "process_vm_readv"
	target := helpers.get_tracee_argument("pid")
	target != input.processId
	not input.executable.path in data.tocsin.lists.debuggers
}

# A word at a time.
tracee_match := {"target": target} if {
	input.eventName == "ptrace"
	helpers.get_tracee_argument("request") in {"PTRACE_PEEKTEXT", "PTRACE_PEEKDATA"}
	target := helpers.get_tracee_argument("pid")
	not input.executable.path in data.tocsin.lists.debuggers
}
