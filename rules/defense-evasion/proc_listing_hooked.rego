package tocsin.rules.proc_listing_hooked

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "proc_listing_hooked",
	"version": "1.0.0",
	"name": "Listing of /proc hooked",
	"description": "The functions by which /proc lists processes, modules or connections are not the kernel's own: what ps, lsmod, ss and netstat show is what a module lets them show.",
	"tags": ["kernel", "rootkit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1014, T1564",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1014/",
		"https://attack.mitre.org/techniques/T1564/",
		"https://docs.kernel.org/filesystems/seq_file.html",
	],
	"false_positives": [
		"None is known: what a module adds to /proc itself is not looked at.",
	],
	"response": "The finding names the functions and the module; \"hidden\" means that no list of modules shows it. Compare what /proc shows with what the sensor saw: tocsin alerts and the events of processes and connections. Take the host off the network and image its memory and disk: what programs on it show cannot be trusted. Rebuild it.",
}

tracee_selected_events contains {"source": "tracee", "name": "hooked_proc_fops", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "hooked_seq_ops", "origin": "*"}

tracee_match := {"hooked": hooked} if {
	input.eventName == "hooked_proc_fops"
	hooked := helpers.get_tracee_argument("hooked_fops_pointers")
	count(hooked) > 0
}

tracee_match := {"hooked": hooked} if {
	input.eventName == "hooked_seq_ops"
	hooked := helpers.get_tracee_argument("hooked_seq_ops")
	count(hooked) > 0
}
