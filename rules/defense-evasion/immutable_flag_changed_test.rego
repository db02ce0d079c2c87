package tocsin.tests.immutable_flag_changed

import data.tocsin.rules.immutable_flag_changed as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "+i", "/etc/ld.so.preload"], {}))

test_match_2 if fires(testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "-R", "-i", "/var/log"], testing.container))

test_evasion_joined if fires(testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "-ia", "/var/log/wtmp"], {}))

test_near_miss_other_flag if not fires(testing.executed("/usr/bin/chattr", ["/usr/bin/chattr", "+C", "/x"], {}))

test_near_miss_lsattr if not fires(testing.executed("/usr/bin/lsattr", ["/usr/bin/lsattr", "-a"], {}))
