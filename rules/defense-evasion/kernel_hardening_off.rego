package tocsin.rules.kernel_hardening_off

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kernel_hardening_off",
	"version": "1.0.0",
	"name": "Kernel hardening turned off",
	"description": "A setting of the kernel that protects against exploits was opened for writing: address-space randomisation, pointer hiding, ptrace scope, unprivileged BPF, SELinux or the like.",
	"tags": ["evasion", "kernel"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1562.001, T1068",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1562/001/",
		"https://docs.kernel.org/admin-guide/sysctl/kernel.html",
	],
	"false_positives": [
		"Developers who debug or profile (perf, gdb) relax these settings by hand.",
	],
	"response": "Read the setting and put it back (sysctl --system). Look for an exploit attempt shortly after.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	path in data.tocsin.lists.hardening_settings
	not input.executable.path in data.tocsin.lists.setting_tools
}
