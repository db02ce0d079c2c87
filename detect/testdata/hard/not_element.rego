package tracee.H_NOT_ELEMENT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-not_element", "version": "1", "name": "not_element", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["sched_process_exec"]

tracee_match := true if {
	argv := helpers.get_tracee_argument("argv")
	argv[0] == "tar"
	not any_flag(argv)
}

any_flag(argv) if startswith(argv[_], "-")
