package tocsin.rules.cloud_metadata_access

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "cloud_metadata_access",
	"version": "1.0.0",
	"name": "Container contacts the cloud metadata service",
	"description": "A process in a container connected to the address from which the cloud hands out the machine's credentials.",
	"tags": ["container", "cloud", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1552",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/005/",
		"https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html",
	],
	"false_positives": [
		"Cloud agents and SDKs in containers that are meant to use the machine's identity. Except their image or executable, or better: give them an identity of their own.",
	],
	"response": "Check the cloud's audit log for use of the machine's role from elsewhere, rotate it if in doubt, and block the address for containers (network policy, IMDSv2 with a hop limit of 1).",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

tracee_match := {"address": ip} if {
	ip := address(helpers.get_tracee_argument("remote_addr"))
	ip in data.tocsin.lists.metadata_addresses
}

address(addr) := addr.sin_addr

address(addr) := trim_prefix(addr.sin6_addr, "::ffff:")
