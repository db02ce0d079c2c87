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

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	some file in data.tocsin.lists.cloud_credentials
	endswith(path, file)
	not input.executable.path in data.tocsin.lists.cloud_clients
}
