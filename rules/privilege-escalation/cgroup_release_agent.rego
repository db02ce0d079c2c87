package tocsin.rules.cgroup_release_agent

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "cgroup_release_agent",
	"version": "1.0.0",
	"name": "Container changes a cgroup's release agent",
	"description": "A process in a container opened release_agent or notify_on_release of a control group for writing. The kernel runs the release agent as root outside the container when the group becomes empty: the classic escape from a privileged container.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man7/cgroups.7.html",
		"https://nvd.nist.gov/vuln/detail/CVE-2022-0492",
	],
	"false_positives": [
		"An init system in a privileged container (systemd, LXC) that manages its own version-1 control groups.",
	],
	"response": "Treat the host as compromised: read the release_agent of every cgroup hierarchy on the host, look at what root ran since, and remove the container's privileges (CAP_SYS_ADMIN, writable cgroup mounts).",
}

tracee_selected_events contains {"source": "tracee", "name": "security_file_open", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "security_inode_rename", "origin": "container"}

names := {"/release_agent", "/notify_on_release"}

tracee_match := {"path": path} if {
	input.eventName == "security_file_open"
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
	path := helpers.get_tracee_argument("pathname")
	some name in names
	endswith(path, name)
}

tracee_match := {"path": path} if {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("new_path")
	endswith(path, "/release_agent")
}
