package tocsin.rules.kubernetes_credentials_read

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "kubernetes_credentials_read",
	"version": "1.0.0",
	"name": "Kubernetes credentials read",
	"description": "A private key of the cluster, a certificate of the kubelet or a kubeconfig file was opened by a program that is not part of Kubernetes.",
	"tags": ["kubernetes", "credentials"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1552.004, T1552.001",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1552/004/",
		"https://kubernetes.io/docs/setup/best-practices/certificates/",
	],
	"false_positives": [
		"Backup agents; editors and IDEs that read kubeconfig; tools that use client-go and are not in the list kubernetes_programs.",
	],
	"response": "Rotate what was read: kubeadm certs renew, or new client credentials. Read the API server's audit log for its use.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "*"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "*"}

tracee_match := {"path": path} if {
	path := touched
	some file in data.tocsin.lists.kubernetes_credentials
	startswith(path, file)
	not endswith(path, ".crt")
	not input.executable.path in data.tocsin.lists.kubernetes_programs
}

# The host's files, mounted somewhere in a container.
tracee_match := {"path": path} if {
	input.origin != "host"
	path := touched
	some file in data.tocsin.lists.kubernetes_credentials
	contains(path, file)
	not endswith(path, ".crt")
	not input.executable.path in data.tocsin.lists.kubernetes_programs
}

tracee_match := {"path": path} if {
	path := touched
	endswith(path, "/.kube/config")
	not input.executable.path in data.tocsin.lists.kubernetes_programs
}

touched := path if {
	input.eventName == "security_file_open"
	path := helpers.get_tracee_argument("pathname")
}

touched := path if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("old_path")
}
