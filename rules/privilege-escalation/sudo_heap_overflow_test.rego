package tocsin.tests.sudo_heap_overflow

import data.tocsin.rules.sudo_heap_overflow as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/sudo", ["sudoedit", "-s", "AAAA\\"], {}))

test_match_2 if fires(testing.executed("/usr/bin/pkexec", [""], {}))

test_match_3 if fires(testing.executed("/usr/bin/pkexec", [], {}))

test_evasion_path_in_argv0 if fires(testing.executed("/usr/bin/sudo", ["/x/sudoedit", "-s", "x\\"], testing.container))

test_near_miss_sudoedit if not fires(testing.executed("/usr/bin/sudo", ["sudoedit", "/etc/hosts"], {}))

test_near_miss_pkexec if not fires(testing.executed("/usr/bin/pkexec", ["pkexec", "id"], {}))
