package tocsin.rules.kernel_function_hooked

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_function_hooked",
	"version": "1.0.0",
	"name": "Kernel function hooked through ftrace",
	"description": "A kernel module has the kernel call it whenever a function of the kernel runs: rootkits change what system calls do that way, since their table is no longer used or cannot be written to.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1014",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://docs.kernel.org/trace/ftrace-uses.html",
	],
	"false_positives": [
		"Security products and tracers with modules of their own. Add an exception for the rule, by the name of the module. Live patches, kprobes, BPF programs and the kernel's own tracers are not reported.",
	],
	"response": "Look at /sys/kernel/tracing/enabled_functions and at who installed the module. An unknown one that goes on elsewhere (flag I) is a rootkit: take the host off the network and image its memory and disk: what programs on it show cannot be trusted. Rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "ftrace_hook", "origin": "*"}

tracee_match := {"function": function, "owner": owner} if {
	input.eventName == "ftrace_hook"
	function := helpers.get_tracee_argument("symbol")
	owner := helpers.get_tracee_argument("callback_owner")
}
