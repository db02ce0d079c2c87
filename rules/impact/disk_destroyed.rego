package tocsin.rules.disk_destroyed

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "disk_destroyed",
	"version": "1.0.0",
	"name": "Disk or file system overwritten",
	"description": "A program that destroys data was pointed at a disk: mkfs, wipefs, shred or dd onto a device.",
	"tags": ["impact"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1561, T1485",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1561/",
		"https://attack.mitre.org/techniques/T1485/",
	],
	"false_positives": [
		"Installing a machine, adding a disk, writing a boot medium.",
	],
	"response": "Cut the machine's power if the disk matters: what is not yet overwritten can be saved.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs(data.tocsin.lists.disk_wipers)
	some arg in argv
	some disk in data.tocsin.lists.disks
	startswith(arg, disk)
	not tocsin.package_manager
}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs({"/dd", "/busybox"})
	some arg in argv
	some disk in data.tocsin.lists.disks
	startswith(arg, concat("", ["of=", disk]))
}

# Everything.
tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs({"/rm"})
	"--no-preserve-root" in argv
}
