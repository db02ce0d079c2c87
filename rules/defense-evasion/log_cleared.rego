package tocsin.rules.log_cleared

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "log_cleared",
	"version": "1.0.0",
	"name": "System log cleared",
	"description": "A log in which logins and system events stand was truncated, removed or replaced by a program that does not manage logs.",
	"tags": ["evasion"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1070.002",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1070/002/",
	],
	"false_positives": [
		"Scripts that rotate logs themselves; cleaning an image before it is published.",
	],
	"response": "Read the copy that was sent away (syslog, SIEM); the lines that are missing here are the interesting ones.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_unlink", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "truncate", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := cleared
	some log in data.tocsin.lists.system_logs
	startswith(path, log)
	not input.executable.path in data.tocsin.lists.log_programs
	not tocsin.package_manager
}

# Another file in its place: "sed -i".
tracee_match := {"path": path} if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("new_path")
	some log in data.tocsin.lists.system_logs
	startswith(path, log)
	every other in data.tocsin.lists.system_logs {
		not startswith(helpers.get_tracee_argument("old_path"), other)
	}
	not input.executable.path in data.tocsin.lists.log_programs
	not tocsin.package_manager
}

cleared := path if {
	input.eventName == "security_file_open"
	contains(helpers.get_tracee_argument("flags"), "O_TRUNC")
	path := helpers.get_tracee_argument("pathname")
}

# As "truncate" and "shred" do: opened to write over it.
cleared := path if {
	input.eventName == "security_file_open"
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	not contains(helpers.get_tracee_argument("flags"), "O_APPEND")
	path := helpers.get_tracee_argument("pathname")
	not path in data.tocsin.lists.login_records
}

cleared := path if {
	input.eventName == "security_inode_unlink"
	path := helpers.get_tracee_argument("pathname")
}

cleared := path if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("old_path")
}

# By its name, without opening it.
cleared := path if {
	input.eventName == "truncate"
	path := helpers.get_tracee_argument("pathname")
}
