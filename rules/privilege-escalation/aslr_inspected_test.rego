package tocsin.tests.aslr_inspected

import data.tocsin.rules.aslr_inspected as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_RDONLY", testing.by("/usr/bin/cat")))

test_evasion_proc_mounted_elsewhere if fires(testing.opened("/mnt/proc/sys/kernel/randomize_va_space", "O_RDONLY", testing.container))

test_near_miss_other_setting if not fires(testing.opened("/proc/sys/kernel/hostname", "O_RDONLY", {}))

test_near_miss_debugger if not fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_RDONLY", testing.by("/usr/bin/gdb")))

test_near_miss_written if not fires(testing.opened("/proc/sys/kernel/randomize_va_space", "O_WRONLY", {}))
