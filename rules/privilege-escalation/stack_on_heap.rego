package tocsin.rules.stack_on_heap

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "stack_on_heap",
	"version": "1.0.0",
	"name": "System call with the stack on the heap",
	"description": "At a system call the stack pointer was in the heap: a chain of returns was laid there, and the stack moved to it (\"stack pivot\").",
	"tags": ["exploit"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1068/",
		"https://en.wikipedia.org/wiki/Return-oriented_programming",
	],
	"false_positives": [
		"Programs that switch between stacks which they allocate themselves (coroutines). Except their executables.",
	],
	"response": "Save the process's memory (gcore) and see what it executed or connected to next; find the input that led there.",
}

tracee_selected_events contains {"source": "tracee", "name": "stack_pivot", "origin": "*"}

tracee_match := {"call": call} if {
	helpers.get_tracee_argument("vma_type") == "heap"
	call := helpers.get_tracee_argument("syscall")
}
