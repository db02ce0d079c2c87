package tracee.T_15

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-15",
	"version": "0.1.0",
	"name": "Hooked system calls",
	"description": "Hooked system calls",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "hooked_seq_ops"},
	{"source": "tracee", "name": "hooked_proc_fops"},
	{"source": "tracee", "name": "hooked_syscall"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match = res {
	input.eventName == "hooked_proc_fops"
	ops := helpers.get_tracee_argument("hooked_fops_pointers")
	count(ops) > 0
	res := {"hooked": [o.SymbolName | o := ops[_]]}
}

tracee_match {
	input.eventName == "hooked_seq_ops"
	helpers.get_tracee_argument("hooked_seq_ops")[_].ModuleOwner == "evil"
}

tracee_match = {"syscall": s} {
	s := helpers.get_tracee_argument("syscall")
	s != "openat"
}
