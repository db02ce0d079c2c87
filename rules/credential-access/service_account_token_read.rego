package tocsin.rules.service_account_token_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "service_account_token_read",
	"version": "1.0.0",
	"name": "Service-account token read",
	"description": "A program that is not known to talk to Kubernetes opened the token of the pod's service account.",
	"tags": ["container", "kubernetes", "credentials"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "T1528, T1552.007",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1528/",
		"https://attack.mitre.org/techniques/T1552/007/",
		"https://kubernetes.io/docs/concepts/security/service-accounts/",
	],
	"false_positives": [
		"Controllers and operators that are meant to use the API. Except their executables or images; better, set automountServiceAccountToken: false for all others.",
	],
	"response": "See in the API server's audit log what the service account did, delete the pod and its token, and reduce the account's rights.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	contains(path, "/kubernetes.io/serviceaccount/")
	endswith(path, "/token")
}

tracee_match := {"path": path} if {
	path := helpers.get_tracee_argument("pathname")
	contains(path, "/eks.amazonaws.com/serviceaccount/")
	endswith(path, "/token")
}
