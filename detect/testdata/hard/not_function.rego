package tracee.H_NOT_FUNCTION

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-not_function", "version": "1", "name": "not_function", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

good(p) if startswith(p, "/usr/")

good(p) if endswith(p, ".txt")

tracee_match if not good(helpers.get_tracee_argument("pathname"))
