package tocsin.rules.cloud_credentials_requested

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "cloud_credentials_requested",
	"version": "1.0.0",
	"name": "Container asks for the credentials of the cloud",
	"description": "A process in a container sent a request to a path at which the cloud hands out the machine's credentials.",
	"tags": ["container", "cloud", "credentials"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1552",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/005/",
		"https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html",
	],
	"false_positives": [
		"Cloud agents and SDKs in containers that are meant to use the machine's identity. Except their image or executable, or better: give them an identity of their own.",
	],
	"response": "Take it that the credentials are known: rotate them, check the cloud's audit log for their use from elsewhere, and look for a request that the service was made to send (SSRF).",
}

tracee_selected_events contains {"source": "tracee", "name": "net_packet_http_request", "origin": "container"}

# Whoever the request was sent to: an address may be written in many ways, and a proxy may stand between.
tracee_match := {"method": request.method, "host": request.host, "path": request.uri_path} if {
	request := helpers.get_tracee_argument("http_request")
	some path in data.tocsin.lists.metadata_credential_paths
	startswith(request.uri_path, path)
}
