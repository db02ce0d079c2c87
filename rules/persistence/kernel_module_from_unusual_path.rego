package tocsin.rules.kernel_module_from_unusual_path

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_module_from_unusual_path",
	"version": "1.0.0",
	"name": "Kernel module of an unusual directory",
	"description": "The kernel read a module from a file outside of the directories where modules are installed.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1547.006, T1014",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1547/006/",
		"https://man7.org/linux/man-pages/man2/finit_module.2.html",
	],
	"false_positives": [
		"Developers of modules; drivers built by their installer before they are copied.",
	],
	"response": "Save the file, unload the module (rmmod) if it lets you, and compare lsmod with /sys/module.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_kernel_read_file", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path} if {
	input.eventName == "security_kernel_read_file"
	helpers.get_tracee_argument("type") == "kernel-module"
	path := helpers.get_tracee_argument("pathname")
	not startswith(path, "/lib/modules/")
	not startswith(path, "/usr/lib/modules/")
	not startswith(path, "/run/modules/")
}

# A compressed module is unpacked in memory and handed over without a file.
tracee_match := {"path": arg} if {
	tocsin.runs({"/insmod", "/kmod"})
	some arg in helpers.get_tracee_argument("argv")
	contains(arg, ".ko")
	not startswith(arg, "/lib/modules/")
	not startswith(arg, "/usr/lib/modules/")
}
