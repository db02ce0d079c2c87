package tocsin.tests.audit_disabled

import data.tocsin.rules.audit_disabled as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-D"], {}))

test_match_2 if fires(testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e", "0"], {}))

test_evasion_joined if fires(testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e0"], testing.container))

test_near_miss_list if not fires(testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-l"], {}))

test_near_miss_on if not fires(testing.executed("/usr/sbin/auditctl", ["/usr/sbin/auditctl", "-e", "1"], {}))
