package tocsin.rules.container_runtime_overwrite

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_runtime_overwrite",
	"version": "1.0.0",
	"name": "Container overwrites the container runtime",
	"description": "A process in a container opened the binary of the container runtime for writing, or another program through /proc/<pid>/exe: the way out of CVE-2019-5736, which runs code as root on the host at the next start of a container.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://nvd.nist.gov/vuln/detail/CVE-2019-5736",
	],
	"false_positives": [
		"Installers of Kubernetes distributions that run in a container and write the node's runtime (k3s, kind, Cilium's and Kata's deploy containers).",
	],
	"response": "Do not start another container on the host. Compare the runtime's binary with its package, and reinstall it.",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some name in {"/runc", "/crun", "/docker-runc", "/containerd-shim", "/containerd-shim-runc-v2", "/conmon", "/docker-init"}
	endswith(path, name)
	not tocsin.package_manager
}

tracee_match := {"path": path} if {
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	opened := helpers.get_tracee_argument("syscall_pathname")
	contains(opened, "proc/")
	endswith(opened, "/exe")
	path := helpers.get_tracee_argument("pathname")
}
