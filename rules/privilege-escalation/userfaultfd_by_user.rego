package tocsin.rules.userfaultfd_by_user

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "userfaultfd_by_user",
	"version": "1.0.0",
	"name": "Page faults handled by a program of a user",
	"description": "A process that is not root asked to handle its own page faults (userfaultfd): with that, exploits stop the kernel in the middle of its work to win races.",
	"tags": ["exploit", "kernel"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1068/",
		"https://man7.org/linux/man-pages/man2/userfaultfd.2.html",
	],
	"false_positives": [
		"QEMU with post-copy migration, CRIU, some garbage collectors and sandboxes (Android).",
	],
	"response": "See which program that is. Set vm.unprivileged_userfaultfd to 0.",
}

tracee_selected_events contains {"source": "tracee", "name": "userfaultfd", "origin": "*"}

tracee_match := {"flags": flags} if {
	flags := helpers.get_tracee_argument("flags")
	input.userId != 0
	not input.executable.path in data.tocsin.lists.debuggers
	not startswith(input.executable.path, "/usr/bin/qemu-")
}
