package tocsin.tests.kernel_thread_masquerade

import data.tocsin.rules.kernel_thread_masquerade as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/x", ["[kworker/0:1]"], {}))

test_match_2 if fires(testing.executed("/usr/bin/perl", ["[kthreadd]"], testing.container))

test_evasion_open_bracket if fires(testing.executed("/tmp/x", ["[migration/0"], {}))

test_near_miss_test if not fires(testing.executed("/usr/bin/[", ["[", "-f", "x", "]"], {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/kworker", ["kworker"], {}))

test_near_miss_build if {
	not fires(testing.executed("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", ["[cc1]"], {}))
}
