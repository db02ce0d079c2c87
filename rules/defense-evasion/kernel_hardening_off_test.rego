package tocsin.tests.kernel_hardening_off

import data.tocsin.rules.kernel_hardening_off as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_WRONLY", {}))

test_match_2 if fires(testing.opened("/sys/fs/selinux/enforce", "O_RDWR", {}))

test_evasion_truncating if fires(testing.opened("/proc/sys/kernel/kptr_restrict", "O_WRONLY|O_TRUNC", testing.container))

test_evasion_borrowed_comm if fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_WRONLY", {"processName": "systemd-sysctl"}))

test_near_miss_read if not fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_RDONLY", {}))

test_near_miss_1 if not fires(testing.opened("/proc/sys/kernel/pid_max", "O_WRONLY", {}))

test_near_miss_boot if not fires(testing.opened("/proc/sys/kernel/kptr_restrict", "O_WRONLY", testing.by("/usr/lib/systemd/systemd-sysctl")))
