package tracee.H_ANY_MATCH

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-any_match", "version": "1", "name": "any_match", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["sched_process_exec"]

tracee_match if strings.any_prefix_match(helpers.get_tracee_argument("pathname"), ["/opt/", "/srv/"])

tracee_match if strings.any_suffix_match(helpers.get_tracee_argument("argv"), {".sh", ".py"})

tracee_match if trim_prefix(helpers.get_tracee_argument("cmdpath"), "./") == "run"

tracee_match if substring(helpers.get_tracee_argument("interp"), 1, 3) == "bin"
