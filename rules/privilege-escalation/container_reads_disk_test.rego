package tocsin.tests.container_reads_disk

import data.tocsin.rules.container_reads_disk as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.opened("/dev/sda1", "O_RDONLY", testing.container))

test_match_write if fires(testing.opened("/dev/nvme0n1", "O_RDWR", testing.container))

test_evasion_mounted_elsewhere if fires(testing.opened("/host/dev/sda1", "O_RDONLY", testing.container))

test_near_miss_host if not fires(testing.opened("/dev/sda1", "O_RDONLY", {}))

test_near_miss_other_device if not fires(testing.opened("/dev/null", "O_RDONLY", testing.container))

test_near_miss_runtime if not fires(testing.opened("/dev/sda1", "O_RDONLY", object.union(testing.container, testing.runtime)))
