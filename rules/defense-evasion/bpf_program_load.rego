package tocsin.rules.bpf_program_load

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "bpf_program_load",
	"version": "1.0.0",
	"name": "BPF program loaded by an unknown program",
	"description": "A program that is not known to use BPF loaded a BPF program into the kernel: it can watch, change or hide what others do.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1014, T1562",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://man7.org/linux/man-pages/man2/bpf.2.html",
	],
	"false_positives": [
		"Observability and security agents outside of the list bpf_programs; developers of BPF.",
	],
	"response": "List what is loaded (bpftool prog show) and who holds it; a program attached to getdents or to bpf itself hides something.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_bpf", "origin": "*"}

tracee_match if {
	helpers.get_tracee_argument("cmd") == "BPF_PROG_LOAD"
	not input.executable.path in data.tocsin.lists.bpf_programs
	not tocsin.runtime
}
