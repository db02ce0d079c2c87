package tocsin.tests.container_capability_use

import data.tocsin.rules.container_capability_use as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("cap_capable", {"cap": "CAP_SYS_ADMIN"}, testing.container))

test_match_2 if fires(testing.event("cap_capable", {"cap": "CAP_SYS_MODULE"}, testing.container))

test_evasion_comm if fires(testing.event("cap_capable", {"cap": "CAP_SYS_PTRACE"}, object.union(testing.container, {"processName": "runc"})))

test_near_miss_chown if not fires(testing.event("cap_capable", {"cap": "CAP_CHOWN"}, testing.container))

test_near_miss_host if not fires(testing.event("cap_capable", {"cap": "CAP_SYS_ADMIN"}, {}))

test_near_miss_runc if not fires(testing.event("cap_capable", {"cap": "CAP_SYS_ADMIN"}, object.union(testing.container, testing.runtime)))
