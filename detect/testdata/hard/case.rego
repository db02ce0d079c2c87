package tracee.H_CASE

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-case", "version": "1", "name": "case", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open"]

tracee_match if {
	p := lower(helpers.get_tracee_argument("pathname"))
	p in {"/etc/passwd", "/etc/straße", "/ÅNGSTRÖM"}
}

tracee_match if upper(helpers.get_tracee_argument("syscall_pathname")) == "/STRASSE"

tracee_match if contains(lower(helpers.get_tracee_argument("pathname")), "ångström")
