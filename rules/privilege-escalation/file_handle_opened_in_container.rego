package tocsin.rules.file_handle_opened_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "file_handle_opened_in_container",
	"version": "1.0.0",
	"name": "Container opens files by their handles",
	"description": "A process in a container called open_by_handle_at, which opens a file by its number wherever it lies: with CAP_DAC_READ_SEARCH it reaches every file of the host's file system (\"shocker\").",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man2/open_by_handle_at.2.html",
	],
	"false_positives": [
		"User-space NFS servers (Ganesha) and file system indexers in containers.",
	],
	"response": "Drop CAP_DAC_READ_SEARCH from the container and see which files it read: those of the host, not its own.",
}

tracee_selected_events contains {"source": "tracee", "name": "open_by_handle_at", "origin": "container"}

tracee_match := {"flags": flags} if {
	flags := helpers.get_tracee_argument("flags")
	not tocsin.runtime
}
