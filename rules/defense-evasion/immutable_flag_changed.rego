package tocsin.rules.immutable_flag_changed

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "immutable_flag_changed",
	"version": "1.0.0",
	"name": "Immutable flag changed",
	"description": "chattr set or removed the immutable or append-only flag of a file: it protects a planted file, or opens a protected log.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1222.002",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1222/002/",
		"https://man7.org/linux/man-pages/man1/chattr.1.html",
	],
	"false_positives": [
		"Hardening guides; tools that protect resolv.conf.",
	],
	"response": "Look at the file: who made it, and what does it do.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/chattr"})
	argv := helpers.get_tracee_argument("argv")
	some option in argv
	some flag in {"+i", "-i", "=i", "+a", "-a", "+ia", "+ai", "-ia", "-ai"}
	option == flag
}
