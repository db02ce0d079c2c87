package tocsin.rules.cloud_credentials_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "cloud_credentials_read",
	"version": "1.0.0",
	"name": "Cloud or registry credentials read",
	"description": "A file with credentials for a cloud, a registry, a package index or a code host was opened by a program that is not its own.",
	"tags": ["cloud", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1552.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/001/",
	],
	"false_positives": [
		"SDKs: any program that legitimately uses the cloud reads these files. Except its executable.",
		"Backup agents.",
	],
	"response": "Revoke what stands in the file and issue it anew; read the cloud's audit log for its use from elsewhere.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := touched
	some file in data.tocsin.lists.cloud_credentials
	endswith(path, file)
	not input.executable.path in data.tocsin.lists.cloud_clients
}

touched := path if {
	input.eventName == "security_file_open"
	path := helpers.get_tracee_argument("pathname")
}

# Moved to where nobody looks, to be read there.
touched := path if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("old_path")
}
