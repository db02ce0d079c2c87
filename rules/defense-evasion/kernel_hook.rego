package tocsin.rules.kernel_hook

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_hook",
	"version": "1.0.0",
	"name": "Kernel function or table hooked",
	"description": "An entry of the system-call table, of the operations behind /proc, or a kernel function was diverted to code outside of the kernel's: a rootkit.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1014",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
	],
	"false_positives": [
		"Security products that hook the kernel from a module of their own.",
	],
	"response": "The host can no longer be trusted: image its disk and memory, and rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "hooked_syscall", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "hooked_proc_fops", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "hooked_seq_ops", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "ftrace_hook", "origin": "*"}

tracee_match := {"call": call, "owner": owner} if {
	input.eventName == "hooked_syscall"
	call := helpers.get_tracee_argument("syscall")
	owner := helpers.get_tracee_argument("owner")
}

tracee_match := {"hooks": hooks} if {
	input.eventName == "hooked_proc_fops"
	hooks := helpers.get_tracee_argument("hooked_fops_pointers")
}

tracee_match := {"hooks": hooks} if {
	input.eventName == "hooked_seq_ops"
	hooks := helpers.get_tracee_argument("hooked_seq_ops")
}

tracee_match := {"symbol": symbol, "owner": owner} if {
	input.eventName == "ftrace_hook"
	symbol := helpers.get_tracee_argument("symbol")
	owner := helpers.get_tracee_argument("callback_owner")
	not owner in {"", "vmlinux", "livepatch", "system"}
}
