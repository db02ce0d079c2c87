package tocsin.tests.root_without_setuid

import data.tocsin.rules.root_without_setuid as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

cred(uid, euid, suid, caps) := {"Uid": uid, "Euid": euid, "Suid": suid, "UserNamespace": 1, "CapEffective": caps}

commit(old, new, call) := testing.event("commit_creds", {"old_cred": old, "new_cred": new, "syscall": call}, {})

test_match if fires(commit(cred(1000, 1000, 1000, 0), cred(0, 0, 0, 2199023255551), "ioctl"))

test_evasion_setuid_without_capability if fires(commit(cred(1000, 1000, 1000, 0), cred(0, 0, 0, 0), "setuid"))

test_near_miss_sudo if not fires(commit(cred(1000, 1000, 1000, 0), cred(1000, 0, 0, 0), "execve"))

test_near_miss_saved_id if not fires(commit(cred(1000, 1000, 0, 0), cred(0, 0, 0, 0), "setresuid"))

test_near_miss_capability if not fires(commit(cred(1000, 1000, 1000, 128), cred(0, 0, 0, 128), "setuid"))

test_near_miss_drop if not fires(commit(cred(0, 0, 0, 0), cred(1000, 1000, 1000, 0), "setuid"))
