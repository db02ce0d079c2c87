package tracee.H_NUMBERS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-numbers", "version": "1", "name": "numbers", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open", "ptrace", "kill"]

tracee_match := {"n": 1} if helpers.get_tracee_argument("inode") == 18446744073709551615

tracee_match := {"n": 2} if helpers.get_tracee_argument("pid") < 0

tracee_match := {"n": 3} if {
	helpers.get_tracee_argument("sig") >= 9
	helpers.get_tracee_argument("sig") != 15
	not helpers.get_tracee_argument("pid") in [1, 2, 3]
}

tracee_match := {"n": 4} if helpers.get_tracee_argument("dev") == 1.5
