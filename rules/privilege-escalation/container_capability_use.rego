package tocsin.rules.container_capability_use

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_capability_use",
	"version": "1.0.0",
	"name": "Container uses a powerful capability",
	"description": "A process in a container was checked for a capability that opens the host: SYS_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_RAWIO, BPF or DAC_READ_SEARCH. At most one finding a day and container.",
	"tags": ["container"],
	"rate": {"limit": 1, "per": "24h", "key": ["containerId"]},
	"enabled": false,
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1611, T1548",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man7/capabilities.7.html",
	],
	"false_positives": [
		"The kernel checks SYS_ADMIN in many ordinary calls, also of processes that do not have it: off unless enabled.",
	],
	"response": "Compare with the capabilities that the container was given, and drop those that it does not need.",
}

tracee_selected_events contains {"source": "tracee", "name": "cap_capable", "origin": "container"}

tracee_match := {"capability": capability} if {
	capability := helpers.get_tracee_argument("cap")
	capability in {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO", "CAP_BPF", "CAP_DAC_READ_SEARCH"}
	not tocsin.runtime
}
