package tocsin.rules.ptrace_injection

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ptrace_injection",
	"version": "1.0.0",
	"name": "Code injected with ptrace",
	"description": "A process changed the memory or registers of another one with ptrace: the way debuggers work, and the way to run code inside another program.",
	"tags": ["injection"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1055.008",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1055/008/",
		"https://man7.org/linux/man-pages/man2/ptrace.2.html",
	],
	"false_positives": [
		"Debuggers and tracers that are not in the list debuggers; checkpointing (CRIU).",
	],
	"response": "The data names the target process: treat it as compromised, dump its memory before you stop it. Set kernel.yama.ptrace_scope to 1 or more.",
}

tracee_selected_events contains {"source": "tracee", "name": "ptrace", "origin": "*"}

tracee_match := {"request": request, "target": target} if {
	request := helpers.get_tracee_argument("request")
	request in {"PTRACE_POKETEXT", "PTRACE_POKEDATA", "PTRACE_POKEUSR", "PTRACE_SETREGS", "PTRACE_SETREGSET", "PTRACE_SETFPREGS"}
	target := helpers.get_tracee_argument("pid")
	not input.executable.path in data.tocsin.lists.debuggers
}
