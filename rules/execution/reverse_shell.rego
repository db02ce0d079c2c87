package tocsin.rules.reverse_shell

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "reverse_shell",
	"version": "1.0.0",
	"name": "Standard input or output connected to the network",
	"description": "A descriptor of a socket that is connected to another machine was put in the place of standard input, output or error, as a reverse shell does it before it starts the shell.",
	"tags": ["shell"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1059.004, T1071",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1059/004/",
		"https://man7.org/linux/man-pages/man2/dup.2.html",
	],
	"false_positives": [
		"Super servers (inetd, socat, sshd variants) that hand a connection to a program as its standard input; those of the list super_servers are excepted.",
	],
	"response": "Isolate the host or container from the network, keep the process for its memory, and look at the address in the data: it is the attacker's. The ancestors show which service was exploited.",
}

tracee_selected_events contains {"source": "tracee", "name": "socket_dup", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "*"}

tracee_match := {"address": ip} if {
	input.eventName == "socket_dup"
	helpers.get_tracee_argument("newfd") in {0, 1, 2}
	ip := tocsin.remote_ip(helpers.get_tracee_argument("remote_addr"))
	not input.executable.path in data.tocsin.lists.super_servers
}

# A program that closed its standard input got the descriptor's number for its socket.
tracee_match := {"address": ip} if {
	input.eventName == "security_socket_connect"
	helpers.get_tracee_argument("sockfd") in {0, 1, 2}
	ip := tocsin.remote_ip(helpers.get_tracee_argument("remote_addr"))
}
