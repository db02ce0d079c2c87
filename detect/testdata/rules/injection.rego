package tracee.T_3

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-3",
	"version": "0.1.0",
	"name": "Code injection",
	"description": "Code injection",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "ptrace"},
	{"source": "tracee", "name": "security_file_open"},
	{"source": "tracee", "name": "process_vm_writev"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.eventName == "ptrace"
	arg_value := helpers.get_tracee_argument("request")
	arg_value == "PTRACE_POKETEXT"
}

tracee_match {
	input.eventName == "ptrace"
	arg_value := helpers.get_tracee_argument("request")
	arg_value == "PTRACE_POKEDATA"
}

tracee_match = res {
	input.eventName == "security_file_open"
	flags = helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	pathname := helpers.get_tracee_argument("pathname")
	regex.match(`/proc/(?:\d.+|self)/mem`, pathname)
	res := {"file flags": flags, "file path": pathname}
}

tracee_match {
	input.eventName == "process_vm_writev"
	dst_pid := helpers.get_tracee_argument("pid")
	dst_pid != input.processId
}
