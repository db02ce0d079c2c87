package tracee.H_PARTIAL_SET

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-partial_set", "version": "1", "name": "partial_set", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

bad contains p if {
	p := helpers.get_tracee_argument("pathname")
	startswith(p, "/tmp/")
}

bad contains p if {
	p := helpers.get_tracee_argument("syscall_pathname")
	endswith(p, ".so")
}

tracee_match := {"bad": bad} if count(bad) > 0
