package tocsin.tests.userfaultfd_by_user

import data.tocsin.rules.userfaultfd_by_user as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

fault(user, more) := testing.event("userfaultfd", {"flags": 0}, object.union({"userId": user}, more))

test_match if fires(fault(1000, {}))

test_evasion_container if fires(fault(65534, testing.container))

test_near_miss_root if not fires(fault(0, {}))

test_near_miss_machine if not fires(fault(64055, testing.by("/usr/bin/qemu-system-x86_64")))

test_near_miss_criu if not fires(fault(1000, testing.by("/usr/sbin/criu")))
