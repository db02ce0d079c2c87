package tocsin.rules.ssh_port_forward

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ssh_port_forward",
	"version": "1.0.0",
	"name": "SSH forwards ports",
	"description": "ssh was started with a remote or dynamic forward: a tunnel into this network, or out of it.",
	"tags": ["network", "ssh"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1572, T1021.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1572/",
		"https://man7.org/linux/man-pages/man1/ssh.1.html",
	],
	"false_positives": [
		"Administrators who work through a jump host.",
	],
	"response": "Ask the user; forbid forwarding in sshd_config (AllowTcpForwarding) where it is not needed.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/ssh"})
	argv := helpers.get_tracee_argument("argv")
	some option in argv
	some forward in {"-R", "-D", "-w", "-NR", "-ND", "-fNR", "-fND", "-oRemoteForward", "-oDynamicForward", "RemoteForward", "DynamicForward"}
	startswith(option, forward)
}
