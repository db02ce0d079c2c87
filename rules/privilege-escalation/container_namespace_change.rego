package tocsin.rules.container_namespace_change

import data.tocsin.helpers as tocsin
import data.tracee.helpers

__rego_metadoc__ := {
	"id": "container_namespace_change",
	"version": "1.0.0",
	"name": "Container process enters or makes namespaces",
	"description": "A process in a running container called setns to enter a namespace of another process, or unshare to get a user namespace in which it holds every capability. Both are steps of an escape; programs in containers rarely need them.",
	"tags": ["container", "escape"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "T1611",
	},
	"references": [
		"https://attack.mitre.org/techniques/T1611/",
		"https://man7.org/linux/man-pages/man2/setns.2.html",
		"https://man7.org/linux/man-pages/man7/user_namespaces.7.html",
	],
	"false_positives": [
		"Browsers and sandboxes that build their own user namespace (Chromium, bubblewrap), rootless container builds, network plug-ins (CNI) that enter a pod's network namespace.",
	],
	"response": "See whose namespaces were entered: the process tree and the container's mounts (a host /proc, hostPID) tell. Block with a seccomp profile: the default one of the runtime denies both calls.",
}

tracee_selected_events contains {"source": "tracee", "name": "setns", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "unshare", "origin": "container"}

tracee_selected_events contains {"source": "tracee", "name": "clone", "origin": "container"}

tracee_match := {"namespace": type} if {
	input.eventName == "setns"
	type := helpers.get_tracee_argument("nstype")
	input.returnValue == 0
	not tocsin.runtime
}

tracee_match := {"namespace": flags} if {
	input.eventName == "unshare"
	flags := helpers.get_tracee_argument("flags")
	contains(flags, "CLONE_NEWUSER")
	not tocsin.runtime
}

# The others need CAP_SYS_ADMIN, which few containers have.
tracee_match := {"namespace": flags} if {
	input.eventName == "unshare"
	flags := helpers.get_tracee_argument("flags")
	some namespace in {"CLONE_NEWNS", "CLONE_NEWPID", "CLONE_NEWNET", "CLONE_NEWCGROUP", "CLONE_NEWIPC", "CLONE_NEWUTS"}
	contains(flags, namespace)
	input.returnValue == 0
	not tocsin.runtime
}

# With the process.
tracee_match := {"namespace": flags} if {
	input.eventName == "clone"
	flags := helpers.get_tracee_argument("flags")
	some namespace in {"CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWPID", "CLONE_NEWNET", "CLONE_NEWCGROUP"}
	contains(flags, namespace)
	input.returnValue > 0
	not tocsin.runtime
}
