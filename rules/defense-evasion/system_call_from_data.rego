package tocsin.rules.system_call_from_data

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "system_call_from_data",
	"version": "1.0.0",
	"name": "System call from memory that is no program's",
	"description": "A system call came from code on a stack, on the heap or in other memory that belongs to no file: code that was injected, or that an exploit put there.",
	"tags": ["exploit", "injection"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1055, T1620",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1055/",
		"https://attack.mitre.org/techniques/T1620/",
		"https://man7.org/linux/man-pages/man2/mmap.2.html",
	],
	"false_positives": [
		"Packed programs that unpack into memory, and translators of foreign code that are not in the list jit_programs.",
	],
	"response": "Save the process's memory (/proc/PID/maps, gcore) before it is killed. See what it did before: the first file or connection that is not its own is where it came in.",
}

tracee_selected_events contains {"source": "tracee", "name": "suspicious_syscall_source", "origin": "*"}

tracee_match := {"call": call, "memory": memory} if {
	memory := helpers.get_tracee_argument("vma_type")
	memory in {"main stack", "thread stack", "heap", "anonymous"}
	call := helpers.get_tracee_argument("syscall")
	not input.executable.path in data.tocsin.lists.jit_programs
}
