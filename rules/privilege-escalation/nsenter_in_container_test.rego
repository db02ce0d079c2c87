package tocsin.tests.nsenter_in_container

import data.tocsin.testing

test_match_1 if testing.fires("nsenter_in_container", testing.executed("/usr/bin/nsenter", ["/usr/bin/nsenter", "-t", "1", "-m", "-u", "-n", "-i", "sh"], testing.container))

test_match_2 if testing.fires("nsenter_in_container", testing.executed("/usr/sbin/chroot", ["/usr/sbin/chroot", "/host", "bash"], testing.container))

test_evasion_proc_root if testing.fires("nsenter_in_container", testing.executed("/bin/busybox", ["chroot", "/proc/1/root", "sh"], testing.container))

test_near_miss_host if not testing.fires("nsenter_in_container", testing.executed("/usr/bin/nsenter", ["/usr/bin/nsenter", "-t", "1", "-m"], {}))

test_near_miss_chroot if not testing.fires("nsenter_in_container", testing.executed("/usr/sbin/chroot", ["/usr/sbin/chroot", "/var/www"], testing.container))
