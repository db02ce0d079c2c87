package tracee.H_DEFAULT_OBJECT

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-default_object", "version": "1", "name": "default_object", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["ptrace"]

default tracee_match := {}

tracee_match := false if helpers.get_tracee_argument("request") == "PTRACE_CONT"
