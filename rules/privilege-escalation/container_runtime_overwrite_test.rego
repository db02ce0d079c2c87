package tocsin.tests.container_runtime_overwrite

import data.tocsin.rules.container_runtime_overwrite as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/usr/sbin/runc", "O_WRONLY|O_TRUNC", testing.container))

test_evasion_other_directory if fires(testing.opened("/a/b/runc", "O_RDWR", testing.container))

test_evasion_through_proc if fires(testing.event("security_file_open", {"pathname": "/usr/bin/program", "flags": "O_WRONLY", "syscall_pathname": "/proc/self/exe"}, testing.container))

test_near_miss_read if not fires(testing.opened("/usr/sbin/runc", "O_RDONLY", testing.container))

test_near_miss_host if not fires(testing.opened("/usr/sbin/runc", "O_WRONLY", {}))

test_near_miss_name if not fires(testing.opened("/usr/sbin/xrunc", "O_WRONLY", testing.container))

test_near_miss_package_manager if not fires(testing.opened("/usr/sbin/runc", "O_WRONLY", object.union(testing.container, testing.by("/usr/bin/dpkg"))))

test_evasion_more_slashes if fires(testing.event("security_file_open", {"pathname": "/usr/bin/program", "flags": "O_WRONLY", "syscall_pathname": "//proc/self/exe"}, testing.container))
