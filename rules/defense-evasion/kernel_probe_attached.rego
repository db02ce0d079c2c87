package tocsin.rules.kernel_probe_attached

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_probe_attached",
	"version": "1.0.0",
	"name": "Probe attached to the kernel",
	"description": "A program that is not known for it attached a BPF program to the kernel, or set a kprobe: it can see what every process does, and change what they see.",
	"tags": ["kernel", "bpf", "rootkit"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1014, T1562",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://attack.mitre.org/techniques/T1562/",
		"https://docs.kernel.org/trace/kprobetrace.html",
	],
	"false_positives": [
		"Observability and network agents: add the program to the list bpf_programs.",
	],
	"response": "List what is attached (bpftool perf, bpftool link, /sys/kernel/tracing/kprobe_events) and by whom.",
}

tracee_selected_events contains {"source": "tracee", "name": "bpf_attach", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "kprobe_attach", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"symbol": symbol} if {
	input.eventName in {"bpf_attach", "kprobe_attach"}
	symbol := helpers.get_tracee_argument("symbol_name")
	not known
}

tracee_match := {"path": path} if {
	input.eventName == "security_file_open"
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some name in {"/kprobe_events", "/uprobe_events", "/dynamic_events", "/set_ftrace_filter"}
	endswith(path, name)
	not known
}

known if input.executable.path in data.tocsin.lists.bpf_programs

known if tocsin.runtime
