package tocsin.rules.download_and_execute

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "download_and_execute",
	"version": "1.0.0",
	"name": "Download piped into an interpreter",
	"description": "A shell was told to fetch something from the network and to run it at once, without a file.",
	"tags": ["execution"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1105, T1059.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1105/",
	],
	"false_positives": [
		"Installers whose instructions say so (rustup, nvm, k3s).",
	],
	"response": "Fetch the script yourself and read it; see what the shell started afterwards.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	path := helpers.get_tracee_argument("pathname")
	some shell in data.tocsin.lists.shells
	endswith(path, shell)
	some arg in argv
	some fetch in {"curl ", "wget ", "http://", "https://"}
	contains(arg, fetch)
	some run in {"| sh", "|sh", "| bash", "|bash", "| /bin/sh", "| /bin/bash", "|/bin/sh", "|/bin/bash", "| python", "|python", "| perl", "|perl", "| sudo bash", "| sudo sh", "bash <(", "sh <(", "$(curl", "$(wget", "`curl", "`wget"}
	contains(arg, run)
}
