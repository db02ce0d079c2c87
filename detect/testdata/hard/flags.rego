package tracee.H_FLAGS

import rego.v1

import data.tracee.helpers

__rego_metadoc__ := {"id": "H-flags", "version": "1", "name": "flags", "properties": {"Severity": 1}}

tracee_selected_events contains {"source": "tracee", "name": name} if some name in ["security_file_open", "security_sb_mount", "unshare", "security_file_mprotect"]

tracee_match := {"w": true} if contains(helpers.get_tracee_argument("flags"), "O_TRUNC")

tracee_match := {"m": f} if {
	f := split(helpers.get_tracee_argument("flags"), "|")
	"MS_BIND" in f
	not "MS_RDONLY" in f
}

tracee_match if {
	contains(helpers.get_tracee_argument("flags"), "CLONE_NEWUSER")
	input.userId != 0
}

tracee_match := {"p": helpers.get_tracee_argument("prot")} if {
	contains(helpers.get_tracee_argument("prot"), "PROT_EXEC")
	contains(helpers.get_tracee_argument("prev_prot"), "PROT_WRITE")
}
