package tracee.H_REPLACEMENT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-replacement", "version": "1", "name": "replacement", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match if contains(helpers.get_tracee_argument("pathname"), "�")

tracee_match if {
	not contains(helpers.get_tracee_argument("syscall_pathname"), "�")
	helpers.get_tracee_argument("pathname") == "/r"
}
