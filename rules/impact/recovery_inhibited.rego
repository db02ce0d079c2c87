package tocsin.rules.recovery_inhibited

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "recovery_inhibited",
	"version": "1.0.0",
	"name": "Snapshots or backups removed",
	"description": "A program was told to remove snapshots or backups, which ransomware does before it encrypts.",
	"tags": ["impact", "ransomware"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1490",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1490/",
	],
	"false_positives": [
		"Backup schedules that prune old snapshots. Except their parent.",
	],
	"response": "Stop the program, and protect the backups that are left before anything else.",
}

tracee_selected_events contains {"source": "tracee", "name": "sched_process_exec", "origin": "*"}

tracee_match := {"path": path, "argv": argv} if {
	path := helpers.get_tracee_argument("pathname")
	argv := helpers.get_tracee_argument("argv")
	some [name, action] in [
		["/zfs", "destroy"], ["/lvm", "lvremove"], ["/btrfs", "delete"], ["/restic", "forget"], ["/borg", "delete"],
		["/borg", "prune"], ["/etcdctl", "del"], ["/snapper", "delete"], ["/timeshift", "--delete-all"],
	]
	endswith(path, name)
	action in argv
}
