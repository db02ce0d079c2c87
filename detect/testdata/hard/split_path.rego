package tracee.H_SPLIT_PATH

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-split_path", "version": "1", "name": "split_path", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match := {"base": base} if {
	parts := split(helpers.get_tracee_argument("pathname"), "/")
	base := parts[count(parts) - 1]
	startswith(base, ".")
	base != "."
}
