package tocsin.rules.kubernetes_api_contact

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kubernetes_api_contact",
	"version": "1.0.0",
	"name": "Container contacts the Kubernetes API",
	"description": "A process in a container connected to the API server of the cluster, though it is not known to need it.",
	"tags": ["container", "kubernetes"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1613",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1613/",
		"https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/",
	],
	"false_positives": [
		"Controllers, operators and everything that is meant to use the API. Except their images or executables.",
	],
	"response": "See in the API server's audit log what was asked; take the service account's token from pods that do not need it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

tracee_match := {"address": ip, "port": port} if {
	address := helpers.get_tracee_argument("remote_addr")
	ip := tocsin.remote_ip(address)
	port := tocsin.port(address)
	api(ip, port)
}

api(ip, _) if ip in data.tocsin.lists.kubernetes_api_addresses

api(_, port) if port in {"6443", "10250", "10255"}
