package tracee.H_CONFLICT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-conflict", "version": "1", "name": "conflict", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match := {"a": p} if {
	p := helpers.get_tracee_argument("pathname")
	startswith(p, "/a")
}

tracee_match := {"b": p} if {
	p := helpers.get_tracee_argument("pathname")
	endswith(p, "b")
}
