package tocsin.rules.setuid_bit_set

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "setuid_bit_set",
	"version": "1.0.0",
	"name": "Set-user-id bit set on a file",
	"description": "A file was given the set-user-id bit by a program other than the package manager: who executes it gets the rights of its owner.",
	"tags": ["privileges"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1548.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1548/001/",
		"https://man7.org/linux/man-pages/man7/inode.7.html",
	],
	"false_positives": [
		"Installers outside of the package manager; image builds with other tools.",
	],
	"response": "Look at the file: a copy of a shell is a back door. Remove the bit (chmod u-s), and see who ran it.",
}

tracee_selected_events contains {"source": "tracee", "name": "fchmodat", "origin": "*"}

tracee_match := {"path": path, "mode": mode} if {
	mode := helpers.get_tracee_argument("mode")
	contains(mode, "S_ISUID")
	path := helpers.get_tracee_argument("pathname")
	not tocsin.package_manager
}

# On directories the other bit, for the group, is ordinary; not on what lies where everybody may write.
tracee_match := {"path": path, "mode": mode} if {
	mode := helpers.get_tracee_argument("mode")
	contains(mode, "S_ISGID")
	contains(mode, "S_IXGRP")
	path := helpers.get_tracee_argument("pathname")
	some directory in data.tocsin.lists.temporary_directories
	startswith(path, directory)
	not tocsin.package_manager
}
