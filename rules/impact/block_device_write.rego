package tocsin.rules.block_device_write

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "block_device_write",
	"version": "1.0.0",
	"name": "Block device opened for writing",
	"description": "A program that does not manage disks opened a block device for writing: it can destroy or change any file on it, past all permissions.",
	"tags": ["impact"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1561",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1561/",
	],
	"false_positives": [
		"Virtual machine monitors and databases on raw devices. Except their executables.",
	],
	"response": "See whether the device is mounted and the file systems are whole (fsck -n); stop the program.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some disk in data.tocsin.lists.disks
	startswith(path, disk)
	not input.executable.path in data.tocsin.lists.disk_programs
}
