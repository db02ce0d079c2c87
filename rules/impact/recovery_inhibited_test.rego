package tocsin.tests.recovery_inhibited

import data.tocsin.rules.recovery_inhibited as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/zfs", ["zfs", "destroy", "-r", "pool@x"], {}))

test_match_2 if fires(testing.executed("/usr/sbin/lvm", ["lvremove", "-f", "vg/snap"], {}))

test_evasion_order if fires(testing.executed("/usr/bin/restic", ["/usr/bin/restic", "-r", "/x", "forget", "--prune", "latest"], {}))

test_near_miss_list if not fires(testing.executed("/usr/sbin/zfs", ["/usr/sbin/zfs", "list"], {}))

test_near_miss_name if not fires(testing.executed("/usr/bin/xyzfs", ["/usr/bin/xyzfs", "destroy"], {}))
