package tocsin.rules.audit_disabled

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "audit_disabled",
	"version": "1.0.0",
	"name": "Audit rules removed",
	"description": "The audit system was turned off or its rules were removed with auditctl.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1562.012",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/012/",
		"https://man7.org/linux/man-pages/man8/auditctl.8.html",
	],
	"false_positives": [
		"augenrules and scripts that load a whole new set of rules.",
	],
	"response": "Load the rules again (augenrules --load); what happened meanwhile was not audited.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/auditctl"})
	argv := helpers.get_tracee_argument("argv")
	"-D" in argv
	not tocsin.parent_in(data.tocsin.lists.security_tools)
	not tocsin.package_manager
}

tracee_match := {"argv": argv} if {
	tocsin.runs({"/auditctl"})
	argv := helpers.get_tracee_argument("argv")
	some off in {"-e0", "-e"}
	off in argv
	some value in {"0", "-e0"}
	value in argv
}
