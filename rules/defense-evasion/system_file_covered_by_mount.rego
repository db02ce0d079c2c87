package tocsin.rules.system_file_covered_by_mount

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "system_file_covered_by_mount",
	"version": "1.0.0",
	"name": "System file covered by a mount",
	"description": "Something was mounted over a file or directory that decides who may log in or what runs: accounts, sudoers, PAM, scheduled tasks, units, the dynamic loader. The file on disk stays as it was, so that a look at the disk finds nothing.",
	"tags": ["evasion", "mount"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1564.013, T1543.002",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1564/013/",
		"https://man7.org/linux/man-pages/man8/mount.8.html",
	],
	"false_positives": [
		"Image builders and configuration tests that mount single files of /etc.",
	],
	"response": "Compare what is mounted (findmnt) with what the service needs, unmount it, and look at the file below.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_sb_mount", "origin": "*"}

tracee_match := {"path": path, "source": source} if {
	path := helpers.get_tracee_argument("path")
	some list in {"account_files", "sudoers_files", "pam_files", "scheduled_tasks", "systemd_units", "linker_files"}
	some file in data.tocsin.lists[list]
	startswith(path, trim_suffix(file, "/"))
	source := helpers.get_tracee_argument("dev_name")
	not input.executable.path in data.tocsin.lists.setting_tools
	not tocsin.runtime
}
