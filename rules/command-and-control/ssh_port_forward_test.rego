package tocsin.tests.ssh_port_forward

import data.tocsin.rules.ssh_port_forward as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/ssh", ["ssh", "-R", "2222:localhost:22", "host"], {}))

test_match_2 if fires(testing.executed("/usr/bin/ssh", ["ssh", "-D1080", "host"], testing.container))

test_evasion_as_option if fires(testing.executed("/usr/bin/ssh", ["ssh", "-o", "RemoteForward=2222 localhost:22", "host"], {}))

test_near_miss_plain if not fires(testing.executed("/usr/bin/ssh", ["ssh", "host"], {}))

test_near_miss_verbose if not fires(testing.executed("/usr/bin/ssh", ["ssh", "-v", "host"], {}))
