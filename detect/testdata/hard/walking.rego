package tracee.H_WALKING

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-walking", "version": "1", "name": "walking", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match if {
	walk(input, [path, value])
	value == "/etc/shadow"
	count(path) == 3
}
