package tracee.T_8

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "T-8",
	"version": "0.1.0",
	"name": "Kubernetes token",
	"description": "Kubernetes token",
	"properties": {"Severity": 2, "MITRE ATT&CK": "Defense Evasion: Process Injection"}
}

eventSelectors := [
	{"source": "tracee", "name": "security_file_open", "origin": "*"}
]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

default allowed = false

allowed {
	input.processName == names[_]
}

names := ["flanneld", "kube-proxy", "etcd", "kube-apiserver", "coredns", "kube-controller", "kubectl"]

tracee_match {
	input.eventName == "security_file_open"
	not allowed
	helpers.is_file_read(helpers.get_tracee_argument("flags"))
	pathname := helpers.get_tracee_argument("pathname")
	contains(pathname, "secrets/kubernetes.io/serviceaccount")
	endswith(pathname, "token")
}
