package tocsin.tests.kernel_memory_read

import data.tocsin.rules.kernel_memory_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/proc/kcore", "O_RDONLY", testing.container))

test_match_2 if fires(testing.opened("/dev/mem", "O_RDWR", testing.container))

test_evasion_proc_mounted_elsewhere if fires(testing.opened("/host/proc/kcore", "O_RDONLY", testing.container))

test_near_miss_host if not fires(testing.opened("/proc/kcore", "O_RDONLY", {}))

test_near_miss_1 if not fires(testing.opened("/proc/kmsg", "O_RDONLY", testing.container))
