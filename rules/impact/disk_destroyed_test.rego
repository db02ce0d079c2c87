package tocsin.tests.disk_destroyed

import data.tocsin.testing

test_match_1 if testing.fires("disk_destroyed", testing.executed("/usr/sbin/mke2fs", ["/usr/sbin/mke2fs", "/dev/sda1"], {}))

test_match_2 if testing.fires("disk_destroyed", testing.executed("/usr/bin/dd", ["/usr/bin/dd", "if=/dev/zero", "of=/dev/nvme0n1"], testing.container))

test_evasion_busybox if testing.fires("disk_destroyed", testing.executed("/bin/busybox", ["dd", "of=/dev/vda", "if=/dev/urandom"], {}))

test_near_miss_image if not testing.fires("disk_destroyed", testing.executed("/usr/sbin/mke2fs", ["/usr/sbin/mke2fs", "disk.img"], {}))

test_near_miss_reading if not testing.fires("disk_destroyed", testing.executed("/usr/bin/dd", ["/usr/bin/dd", "if=/dev/sda", "of=disk.img"], {}))

test_near_miss_null if not testing.fires("disk_destroyed", testing.executed("/usr/bin/dd", ["/usr/bin/dd", "of=/dev/null", "if=x"], {}))
