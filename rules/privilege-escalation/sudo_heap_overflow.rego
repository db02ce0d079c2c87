package tocsin.rules.sudo_heap_overflow

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "sudo_heap_overflow",
	"version": "1.0.0",
	"name": "Exploit of sudo or pkexec",
	"description": "sudoedit was called with an argument that ends in a backslash (CVE-2021-3156), or pkexec without any argument (CVE-2021-4034).",
	"tags": ["exploit"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://nvd.nist.gov/vuln/detail/CVE-2021-3156",
		"https://nvd.nist.gov/vuln/detail/CVE-2021-4034",
		"https://attack.mitre.org/techniques/T1068/",
	],
	"false_positives": [
		"None known.",
	],
	"response": "Update sudo and polkit. If the program's next children run as root, the machine is taken over.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/sudo"})
	argv := helpers.get_tracee_argument("argv")
	endswith(argv[0], "sudoedit")
	some arg in argv
	endswith(arg, "\\")
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/pkexec"})
	argv := helpers.get_tracee_argument("argv")
	some name in argv
	name == ""
}

tracee_match := {"argv": []} if {
	tocsin.runs({"/pkexec"})
	helpers.get_tracee_argument("argv") == []
}
