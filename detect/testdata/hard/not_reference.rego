package tracee.H_NOT_REFERENCE

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-not_reference", "version": "1", "name": "not_reference", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

flag := v if {
	v := input.contextFlags.containerStarted
}

tracee_match if {
	not flag
	helpers.get_tracee_argument("pathname") == "/flag"
}
