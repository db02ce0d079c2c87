package tocsin.rules.root_without_setuid

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "root_without_setuid",
	"version": "1.0.0",
	"name": "Process became root without a set-user-id program",
	"description": "The credentials of a process changed to root in a system call that cannot do that: the work of a kernel exploit.",
	"tags": ["exploit", "kernel"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1068/",
		"https://man7.org/linux/man-pages/man7/credentials.7.html",
	],
	"false_positives": [
		"None known.",
	],
	"response": "The host is compromised. Isolate it, keep its memory, and update its kernel.",
}

tracee_selected_events contains {"source": "tracee", "name": "commit_creds", "origin": "*"}

tracee_match := {"call": call} if {
	old := helpers.get_tracee_argument("old_cred")
	new := helpers.get_tracee_argument("new_cred")
	old.Uid != 0
	old.Euid != 0
	old.Suid != 0
	new.Euid == 0
	old.UserNamespace == new.UserNamespace
	call := helpers.get_tracee_argument("syscall")
	not call in {"execve", "execveat", "setuid", "setreuid", "setresuid", "setfsuid"}
}

# The calls that change ids need CAP_SETUID for that, bit 7.
tracee_match := {"call": call} if {
	old := helpers.get_tracee_argument("old_cred")
	new := helpers.get_tracee_argument("new_cred")
	old.Uid != 0
	old.Euid != 0
	old.Suid != 0
	new.Euid == 0
	old.UserNamespace == new.UserNamespace
	call := helpers.get_tracee_argument("syscall")
	call in {"setuid", "setreuid", "setresuid"}
	bits.and(old.CapEffective, 128) == 0
}
