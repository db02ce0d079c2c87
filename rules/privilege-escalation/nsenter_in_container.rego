package tocsin.rules.nsenter_in_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "nsenter_in_container",
	"version": "1.0.0",
	"name": "Host namespaces entered from a container",
	"description": "nsenter was started in a container, or chroot into a mounted host: with the host's process namespace it gives a shell on the host.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man1/nsenter.1.html",
	],
	"false_positives": [
		"Node debugging (kubectl debug node) and node agents that manage the host from a pod.",
	],
	"response": "See who started the container (kubectl debug leaves an audit entry). Nobody: the node is compromised.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "container"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/nsenter"})
	argv := helpers.get_tracee_argument("argv")
}

tracee_match := {"argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	tocsin.runs({"/chroot", "/busybox", "/unshare"})
	argv := helpers.get_tracee_argument("argv")
	some root in argv
	root in {"/host", "/hostfs", "/rootfs", "/host-root", "/mnt/host", "/proc/1/root", "/proc/1/root/", "/host/"}
}
