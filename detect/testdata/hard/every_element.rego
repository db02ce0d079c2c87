package tracee.H_EVERY_ELEMENT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-every_element", "version": "1", "name": "every_element", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["sched_process_exec"]

tracee_match if {
	argv := helpers.get_tracee_argument("argv")
	count(argv) >= 2
	every a in argv { not contains(a, "/") }
}
