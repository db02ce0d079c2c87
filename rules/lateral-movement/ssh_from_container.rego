package tocsin.rules.ssh_from_container

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "ssh_from_container",
	"version": "1.0.0",
	"name": "Container connects to an SSH server",
	"description": "A process in a container connected to port 22 of another machine: from there an intruder moves on with the keys and passwords that were found.",
	"tags": ["container", "ssh", "network"],
	"properties": {
		"Severity": 1,
		"MITRE ATT&CK": "T1021.004",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1021/004/",
	],
	"false_positives": [
		"git over SSH, Ansible and backup jobs in containers. Except their images.",
	],
	"response": "See which machine was contacted and whether a login succeeded there.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_socket_connect", "origin": "container"}

tracee_match := {"address": ip} if {
	address := helpers.get_tracee_argument("remote_addr")
	ip := tocsin.remote_ip(address)
	tocsin.port(address) == "22"
}
