package tocsin.rules.aslr_inspected

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "aslr_inspected",
	"version": "1.0.0",
	"name": "Address space randomization inspected",
	"description": "A program looked whether the kernel lays out memory at random, as exploits do before they choose their way.",
	"tags": ["exploit"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1068/",
		"https://docs.kernel.org/admin-guide/sysctl/kernel.html#randomize-va-space",
	],
	"false_positives": [
		"Auditing tools that compare settings with a baseline (lynis, OpenSCAP): except them.",
	],
	"response": "Look at what the program is and did next. A read by a shell or an unknown program in a container is a reason to stop it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	not helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "/sys/kernel/randomize_va_space")
	not input.executable.path in data.tocsin.lists.setting_tools
	not input.executable.path in data.tocsin.lists.debuggers
}
