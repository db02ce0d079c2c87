package tocsin.tests.block_device_write

import data.tocsin.rules.block_device_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/dev/sda", "O_WRONLY", {}))

test_match_2 if fires(testing.opened("/dev/nvme0n1p2", "O_RDWR", testing.container))

test_evasion_borrowed_comm if fires(testing.opened("/dev/vda", "O_WRONLY", {"processName": "mkfs.ext4"}))

test_near_miss_read if not fires(testing.opened("/dev/sda", "O_RDONLY", {}))

test_near_miss_mkfs if not fires(testing.opened("/dev/sda1", "O_RDWR", testing.by("/usr/sbin/mke2fs")))

test_near_miss_1 if not fires(testing.opened("/dev/null", "O_WRONLY", {}))
