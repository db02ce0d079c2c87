package tocsin.tests.disk_destroyed

import data.tocsin.rules.disk_destroyed as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/sbin/mke2fs", ["/usr/sbin/mke2fs", "/dev/sda1"], {}))

test_match_2 if fires(testing.executed("/usr/bin/dd", ["/usr/bin/dd", "if=/dev/zero", "of=/dev/nvme0n1"], testing.container))

test_evasion_busybox if fires(testing.executed("/bin/busybox", ["dd", "of=/dev/vda", "if=/dev/urandom"], {}))

test_near_miss_image if not fires(testing.executed("/usr/sbin/mke2fs", ["/usr/sbin/mke2fs", "disk.img"], {}))

test_near_miss_reading if not fires(testing.executed("/usr/bin/dd", ["/usr/bin/dd", "if=/dev/sda", "of=disk.img"], {}))

test_near_miss_null if not fires(testing.executed("/usr/bin/dd", ["/usr/bin/dd", "of=/dev/null", "if=x"], {}))

test_match_root if fires(testing.executed("/usr/bin/rm", ["rm", "-rf", "--no-preserve-root", "/"], {}))

test_near_miss_directory if not fires(testing.executed("/usr/bin/rm", ["rm", "-rf", "/srv/old"], {}))
