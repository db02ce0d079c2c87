package tracee.H_ARITHMETIC

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-arithmetic", "version": "1", "name": "arithmetic", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["ptrace", "kill"]

tracee_match := {"sum": n} if {
	n := input.processId + helpers.get_tracee_argument("pid")
	n % 2 == 0
	n > 10
	helpers.get_tracee_argument("pid") <= 40
}
