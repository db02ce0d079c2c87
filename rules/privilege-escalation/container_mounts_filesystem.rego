package tocsin.rules.container_mounts_filesystem

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_mounts_filesystem",
	"version": "1.0.0",
	"name": "Container mounts a file system",
	"description": "A process in a container mounted something, by the old or the new system calls. Containers get their mounts from the runtime: doing it takes CAP_SYS_ADMIN, or a user namespace of its own, with which holes in file systems are reached.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man2/mount.2.html",
		"https://man7.org/linux/man-pages/man2/fsmount.2.html",
	],
	"false_positives": [
		"Containers that start containers (Docker in Docker, kaniko, buildkit, Podman), CSI drivers and systemd in a container. Except their images.",
	],
	"response": "See what was mounted and where. Take CAP_SYS_ADMIN from the container, and forbid user namespaces in it by seccomp.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_sb_mount", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "move_mount", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "fsmount", "origin": "container"}

tracee_match := {"type": type, "path": path} if {
	input.eventName == "security_sb_mount"
	type := helpers.get_tracee_argument("type")
	path := helpers.get_tracee_argument("path")
	not tocsin.runtime
}

tracee_match := {"call": input.eventName} if {
	input.eventName in {"move_mount", "fsmount"}
	not tocsin.runtime
}
