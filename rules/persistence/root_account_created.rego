package tocsin.rules.root_account_created

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "root_account_created",
	"version": "1.0.0",
	"name": "Account with the rights of root created",
	"description": "useradd or usermod was told to give an account the user id 0, or a place in a group that is as good as root.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1136.001, T1098",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1136/001/",
		"https://man7.org/linux/man-pages/man8/useradd.8.html",
	],
	"false_positives": [
		"None known.",
	],
	"response": "Remove the account, and look for logins with it (last, the log of sshd).",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/useradd", "/usermod", "/adduser"})
	argv := helpers.get_tracee_argument("argv")
	some option in {"-u", "--uid", "-ou", "-o"}
	option in argv
	"0" in argv
}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/useradd", "/usermod", "/adduser"})
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	arg in {"-u0", "-ou0", "--uid=0"}
}
