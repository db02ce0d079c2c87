package tocsin.tests.kernel_helper_overwrite

import data.tocsin.rules.kernel_helper_overwrite as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if fires(open("/proc/sys/kernel/core_pattern", "O_WRONLY|O_TRUNC", testing.container))

test_evasion_other_mount_of_proc if fires(open("/mnt/p/sys/kernel/modprobe", "O_RDWR", testing.container))

test_match_sysrq if fires(open("/proc/sysrq-trigger", "O_WRONLY", testing.container))

test_near_miss_read if not fires(open("/proc/sys/kernel/core_pattern", "O_RDONLY", testing.container))

test_near_miss_host if not fires(open("/proc/sys/kernel/core_pattern", "O_WRONLY", {}))

test_near_miss_own_file if not fires(open("/home/app/core_pattern", "O_WRONLY", testing.container))
