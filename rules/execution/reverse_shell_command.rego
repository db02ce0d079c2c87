package tocsin.rules.reverse_shell_command

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "reverse_shell_command",
	"version": "1.0.0",
	"name": "Reverse shell on a command line",
	"description": "A command line holds a well-known way to connect a shell to the network: bash's /dev/tcp, netcat with -e, socat with exec, or a one-liner in Python, Perl, PHP or Ruby.",
	"tags": ["shell"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1059.004, T1059.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1059/004/",
		"https://attack.mitre.org/techniques/T1059/006/",
	],
	"false_positives": [
		"Scripts that test whether a port is open with /dev/tcp (wait-for-it). Except their arguments.",
	],
	"response": "The address stands in the argument. Isolate the machine from it, and find out from the ancestors how the command came to run.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some sign in data.tocsin.lists.reverse_shell_signs
	contains(arg, sign)
	not tocsin.build_program
}

# An interpreter's one-liner that opens a socket and starts something.
tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs(data.tocsin.lists.interpreters)
	some arg in argv
	some network in {"socket", "Socket", "fsockopen", "TCPSocket"}
	contains(arg, network)
	some start in {"pty.spawn", "subprocess", "dup2", "exec(", "exec {", "/bin/sh", "/bin/bash", "child_process"}
	contains(arg, start)
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/nc", "/ncat", "/netcat", "/nc.traditional", "/nc.openbsd", "/busybox"})
	argv := helpers.get_tracee_argument("argv")
	some option in argv
	option in {"-e", "-c", "--exec", "--sh-exec", "-ne", "-nve", "-nlvpe", "-lvpe"}
	some shell in argv
	some end in data.tocsin.lists.shells
	endswith(shell, end)
}
