package tracee.H_PAIRS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-pairs", "version": "1", "name": "pairs", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["sched_process_exec"]

tracee_match := {"i": i} if {
	argv := helpers.get_tracee_argument("argv")
	argv[i] == "-o"
	startswith(argv[i + 1], "/tmp/")
}
