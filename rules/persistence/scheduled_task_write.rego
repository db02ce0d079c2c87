package tocsin.rules.scheduled_task_write

import data.tocsin.helpers as tocsin

__rego_metadoc__ := {
	"id": "scheduled_task_write",
	"version": "1.0.0",
	"name": "Scheduled task written",
	"description": "A file from which cron, anacron or at starts programs was opened for writing, or put there by renaming, by a program other than their own tools and the package manager.",
	"tags": ["persistence"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1053.003, T1053.002, T1053.006",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1053/003/",
		"https://man7.org/linux/man-pages/man5/crontab.5.html",
	],
	"false_positives": [
		"Configuration management (Ansible, Puppet, Chef) and installers outside of the package manager. Except their executables.",
	],
	"response": "Read the file in the data and remove the entry if nobody answers for it; then look at what the ancestors did before.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_symlink", "origin": "*"}

tracee_match := {"path": path} if {
	path := tocsin.changed_path
	some task in data.tocsin.lists.scheduled_tasks
	startswith(path, task)
	not tocsin.package_manager
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := tocsin.changed_path
	some task in data.tocsin.lists.scheduled_tasks
	contains(path, task)
	not tocsin.package_manager
}
