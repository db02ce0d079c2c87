package tracee.H_FUNCTION_FALSE

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-function_false", "version": "1", "name": "function_false", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

writes := helpers.is_file_write(helpers.get_tracee_argument("flags"))

tracee_match if {
	writes == false
	helpers.get_tracee_argument("pathname") == "/w"
}
