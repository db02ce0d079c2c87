package tocsin.rules.container_reads_disk

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_reads_disk",
	"version": "1.0.0",
	"name": "Container opens a disk of the host",
	"description": "A process in a container opened a disk or partition: it can read and change every file of the host below the file system (debugfs), unseen by permissions.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611, T1003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://attack.mitre.org/techniques/T1003/",
		"https://man7.org/linux/man-pages/man8/debugfs.8.html",
	],
	"false_positives": [
		"Storage drivers and disk health monitors (smartctl) in privileged containers. Except their images.",
	],
	"response": "Stop the container: it is privileged or was given the device. Take the host's keys and password hashes as read.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some disk in data.tocsin.lists.disks
	startswith(path, disk)
	not tocsin.runtime
}

# A node of its own: /dev of the host, mounted elsewhere.
tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some disk in data.tocsin.lists.disks
	contains(path, disk)
	not startswith(path, "/dev/")
	not tocsin.runtime
}
