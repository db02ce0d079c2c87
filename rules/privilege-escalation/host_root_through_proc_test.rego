package tocsin.tests.host_root_through_proc

import data.tocsin.rules.host_root_through_proc as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_file_open", {"pathname": "/etc/shadow", "flags": "O_RDONLY", "syscall_pathname": "/proc/1/root/etc/shadow"}, testing.container))

test_evasion_cwd if fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/77/cwd/../etc/x"}, testing.container))

test_near_miss_own if not fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/self/root/etc/x"}, testing.container))

test_near_miss_host if not fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/1/root/etc/x"}, {}))

test_near_miss_1 if not fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/etc/x"}, testing.container))

test_evasion_more_slashes if fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "//proc//1/root/etc/x"}, testing.container))

test_evasion_detour if fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/self/../1/root/etc/x"}, testing.container))

test_evasion_relative if fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "1/root/etc/x"}, testing.container))

test_evasion_thread if fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/1/task/1/root/etc/x"}, testing.container))

test_near_miss_own_thread if not fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/proc/self/task/12/root/etc/x"}, testing.container))

test_near_miss_other_directory if not fires(testing.event("security_file_open", {"pathname": "/etc/x", "flags": "O_RDONLY", "syscall_pathname": "/srv/12/root/x"}, testing.container))
