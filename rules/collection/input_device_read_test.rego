package tocsin.tests.input_device_read

import data.tocsin.rules.input_device_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/dev/input/event0", "O_RDONLY", {}))

test_match_2 if fires(testing.opened("/dev/input/event12", "O_RDWR", testing.container))

test_evasion_non_blocking if fires(testing.opened("/dev/input/event3", "O_RDONLY|O_NONBLOCK", {}))

test_near_miss_logind if not fires(testing.opened("/dev/input/event0", "O_RDWR", testing.by("/usr/lib/systemd/systemd-logind")))

test_near_miss_1 if not fires(testing.opened("/dev/input/mice", "O_RDONLY", {}))
