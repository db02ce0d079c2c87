package tocsin.rules.container_device_node

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_device_node",
	"version": "1.0.0",
	"name": "Container makes a device node",
	"description": "A process in a container made a block device node, or a character device for memory or the console: through it the host's disk can be read past all mounts.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man2/mknod.2.html",
	],
	"false_positives": [
		"udev, mdev or mkinitrd in privileged containers.",
	],
	"response": "Stop the container and drop CAP_MKNOD; check the host's disk for changes.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_mknod", "origin": "container"}

tracee_match := {"path": path, "mode": mode} if {
	mode := helpers.get_tracee_argument("mode")
	contains(mode, "S_IFBLK")
	path := helpers.get_tracee_argument("file_name")
	not tocsin.runtime
}
