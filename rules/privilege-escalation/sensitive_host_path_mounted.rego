package tocsin.rules.sensitive_host_path_mounted

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "sensitive_host_path_mounted",
	"version": "1.0.0",
	"name": "Container started with a sensitive path of the host",
	"description": "A runtime mounted the host's root, its configuration, the home of root, its devices or processes, or the runtime's own directories or socket into a container: what runs there can become root on the host.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611, T1610",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
		"https://kubernetes.io/docs/concepts/security/pod-security-standards/",
	],
	"false_positives": [
		"Node agents: log shippers, monitoring (node-exporter mounts /), storage and network plug-ins, Portainer. Except their images.",
	],
	"response": "See who started the container and whether it needs the path; mount a part of it, read-only. Forbid hostPath by Pod Security admission.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_sb_mount", "origin": "*"}

tracee_match := {"source": source, "path": path} if {
	source := helpers.get_tracee_argument("dev_name")
	source in data.tocsin.lists.sensitive_host_paths
	contains(helpers.get_tracee_argument("flags"), "MS_BIND")
	path := helpers.get_tracee_argument("path")
	path != source
	tocsin.runtime
}

# The control of the runtime.
tracee_match := {"source": source, "path": path} if {
	source := helpers.get_tracee_argument("dev_name")
	some socket in data.tocsin.lists.runtime_sockets
	endswith(source, socket)
	path := helpers.get_tracee_argument("path")
	tocsin.runtime
}
