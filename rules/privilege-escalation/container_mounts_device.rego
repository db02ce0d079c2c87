package tocsin.rules.container_mounts_device

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_mounts_device",
	"version": "1.0.0",
	"name": "Container mounts a device or a host file system",
	"description": "A process in a running container mounted a block device, or a kernel file system that shows the host (debugfs, tracefs, securityfs, a cgroup hierarchy). With the host's disk mounted, the container reads and writes all of it.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man2/mount.2.html",
	],
	"false_positives": [
		"Storage drivers (CSI node plug-ins) mount block devices for other containers. Except their executables.",
		"Containers that run systemd or build images mount cgroup hierarchies.",
	],
	"response": "Stop the container, then check the host's file system for new SSH keys, cron jobs and set-user-id files. Drop CAP_SYS_ADMIN and the device from the container.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_sb_mount", "origin": "container"}

tracee_match := {"device": device, "path": path} if {
	device := helpers.get_tracee_argument("dev_name")
	startswith(device, "/dev/")
	not device in {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/null"}
	not startswith(device, "/dev/pts/")
	path := helpers.get_tracee_argument("path")
	not tocsin.runtime
}

tracee_match := {"type": type, "path": path} if {
	type := helpers.get_tracee_argument("type")
	type in {"debugfs", "tracefs", "securityfs", "cgroup", "cgroup2", "bpf", "efivarfs", "configfs"}
	device := helpers.get_tracee_argument("dev_name")
	not startswith(device, "/dev/")
	path := helpers.get_tracee_argument("path")
	not tocsin.runtime
}
