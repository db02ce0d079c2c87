package tracee.H_FORMATTED

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-formatted", "version": "1", "name": "formatted", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match if {
	p := helpers.get_tracee_argument("pathname")
	startswith(p, "/proc/")
	not startswith(p, sprintf("/proc/%d/", [input.processId]))
}
