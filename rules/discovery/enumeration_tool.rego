package tocsin.rules.enumeration_tool

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "enumeration_tool",
	"version": "1.0.0",
	"name": "Known enumeration or exploitation tool started",
	"description": "A tool that searches a host or a container for ways to more rights, or exploits them, was started under its own name.",
	"tags": ["discovery"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1613, T1082, T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1082/",
		"https://attack.mitre.org/techniques/T1613/",
	],
	"false_positives": [
		"Penetration tests and auditors (lynis).",
	],
	"response": "Unless a test is under way, treat the account that ran it as taken over; the tool's output tells what the attacker knows.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path, "argv": argv} if {
	tocsin.runs(data.tocsin.lists.enumeration_tools)
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
}

# Given to an interpreter as a file.
tracee_match := {"path": path, "argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	argv := helpers.get_tracee_argument("argv")
	some arg in argv
	some name in data.tocsin.lists.enumeration_scripts
	endswith(arg, name)
}
