package tracee.H_COMPREHENSION

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-comprehension", "version": "1", "name": "comprehension", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match := {"n": count(names)} if {
	names := [a.name | some a in input.args; startswith(a.name, "s")]
	count(names) == 2
}
