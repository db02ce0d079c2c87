package tracee.T_17

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "T-17", "version": "1", "name": "Many paths", "properties": {"Severity": 2}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open", "openat"]

roots := {"/etc/", "/usr/lib/systemd/", "/root/.ssh/"}

endings := [".service", ".timer", "authorized_keys", "shadow"]

tracee_match := {"path": path, "flags": flags} if {
	path := helpers.get_tracee_argument("pathname")
	some root in roots
	startswith(path, root)
	some ending in endings
	endswith(path, ending)
	flags := helpers.get_tracee_argument("flags")
	not flags == "O_RDONLY"
	not input.processName in {"systemctl", "dpkg"}
	input.userId < 65534
}
