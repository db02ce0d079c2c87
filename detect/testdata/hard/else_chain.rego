package tracee.H_ELSE_CHAIN

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-else_chain", "version": "1", "name": "else_chain", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

kind(p) := "etc" if {
	startswith(p, "/etc/")
} else := "tmp" if {
	startswith(p, "/tmp/")
} else := "none"

tracee_match := {"kind": k} if {
	k := kind(helpers.get_tracee_argument("pathname"))
	k != "none"
}
