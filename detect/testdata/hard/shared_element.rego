package tracee.H_SHARED_ELEMENT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-shared_element", "version": "1", "name": "shared_element", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["sched_process_exec"]

tracee_match := {"arg": a} if {
	some a in helpers.get_tracee_argument("argv")
	startswith(a, "--")
	endswith(a, "=evil")
}
