package tracee.H_WITH_MOCK

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-with_mock", "version": "1", "name": "with_mock", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

check if input.userId == 1000

tracee_match if {
	not check
	check with input.userId as 1000
	helpers.get_tracee_argument("pathname") == "/x"
}
