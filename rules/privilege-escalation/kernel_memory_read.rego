package tocsin.rules.kernel_memory_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_memory_read",
	"version": "1.0.0",
	"name": "Container reads the kernel's memory",
	"description": "A process in a container opened a file that shows the memory of the kernel or the machine: /proc/kcore, /dev/mem, /dev/kmem or /dev/port.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1611, T1003",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man5/proc_kcore.5.html",
	],
	"false_positives": [
		"Crash and memory forensics tools in privileged containers.",
	],
	"response": "Stop the container: it needs to be privileged to get that far, so find out why it is.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	path in {"/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port"}
}

# The same files of a host's /proc or /dev that is mounted elsewhere.
tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "/proc/kcore")
	path != "/proc/kcore"
}
