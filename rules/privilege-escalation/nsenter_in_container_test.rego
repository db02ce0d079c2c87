package tocsin.tests.nsenter_in_container

import data.tocsin.rules.nsenter_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/usr/bin/nsenter", ["/usr/bin/nsenter", "-t", "1", "-m", "-u", "-n", "-i", "sh"], testing.container))

test_match_2 if fires(testing.executed("/usr/sbin/chroot", ["/usr/sbin/chroot", "/host", "bash"], testing.container))

test_evasion_proc_root if fires(testing.executed("/bin/busybox", ["chroot", "/proc/1/root", "sh"], testing.container))

test_near_miss_host if not fires(testing.executed("/usr/bin/nsenter", ["/usr/bin/nsenter", "-t", "1", "-m"], {}))

test_near_miss_chroot if not fires(testing.executed("/usr/sbin/chroot", ["/usr/sbin/chroot", "/var/www"], testing.container))
