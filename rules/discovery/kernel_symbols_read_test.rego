package tocsin.tests.kernel_symbols_read

import data.tocsin.rules.kernel_symbols_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/proc/kallsyms", "O_RDONLY", testing.container))

test_match_2 if fires(testing.opened("/boot/System.map-6.1.0-amd64", "O_RDONLY", testing.container))

test_evasion_both if fires(testing.opened("/proc/kallsyms", "O_RDWR", testing.container))

test_near_miss_host if not fires(testing.opened("/proc/kallsyms", "O_RDONLY", {}))

test_near_miss_1 if not fires(testing.opened("/proc/modules", "O_RDONLY", testing.container))

test_near_miss_agent if not fires(testing.opened("/sys/kernel/btf/vmlinux", "O_RDONLY", object.union(testing.container, testing.by("/usr/bin/tocsin"))))
