package tocsin.tests.process_environment_read

import data.tocsin.rules.process_environment_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/proc/1/environ", "O_RDONLY", testing.container))

test_match_2 if fires(testing.opened("/proc/sched_debug", "O_RDONLY", testing.container))

test_evasion_through_thread if fires(testing.opened("/proc/1/task/1/environ", "O_RDONLY", testing.container))

test_near_miss_own if not fires(testing.opened("/proc/4000/environ", "O_RDONLY", testing.container))

test_near_miss_host if not fires(testing.opened("/proc/1/environ", "O_RDONLY", {}))

test_near_miss_1 if not fires(testing.opened("/proc/1/status", "O_RDONLY", testing.container))
