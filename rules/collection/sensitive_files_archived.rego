package tocsin.rules.sensitive_files_archived

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "sensitive_files_archived",
	"version": "1.0.0",
	"name": "Sensitive files packed into an archive",
	"description": "An archiver or copy program was given files with secrets: password hashes, SSH or cloud keys, a Kubernetes configuration or a browser's store.",
	"tags": ["collection", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1560.001, T1005",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1560/001/",
	],
	"false_positives": [
		"Backup scripts. Except their parent.",
	],
	"response": "Find the archive and where it went; change what is in it.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"argv": argv} if {
	argv := helpers.get_tracee_argument("argv")
	tocsin.runs({"/tar", "/bsdtar", "/zip", "/7zz", "/rar", "/cpio", "/scp", "/rsync", "/curl", "/busybox"})
	some arg in argv
	some secret in data.tocsin.lists.sensitive_files
	contains(arg, secret)
	not tocsin.package_manager
}
