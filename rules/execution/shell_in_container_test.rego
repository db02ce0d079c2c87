package tocsin.tests.shell_in_container

import data.tocsin.rules.shell_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

exec(path, stdin, stdin_path, more) := testing.event("sched_process_exec", {"pathname": path, "argv": ["sh"], "stdin_type": stdin, "stdin_path": stdin_path}, more)

test_match if fires(exec("/bin/bash", "S_IFCHR", "/dev/pts/0", testing.container))

test_match_busybox if fires(exec("/bin/busybox", "S_IFCHR", "/dev/pts/3", testing.container))

# The terminal of another mount namespace has a path without /dev.
test_evasion_terminal_of_elsewhere if fires(exec("/bin/sh", "S_IFCHR", "/0", testing.container))

test_near_miss_null if not fires(exec("/bin/sh", "S_IFCHR", "/dev/null", testing.container))

test_near_miss_pipe if not fires(exec("/bin/sh", "S_IFIFO", "", testing.container))

test_near_miss_host if not fires(exec("/bin/bash", "S_IFCHR", "/dev/pts/0", {}))

test_near_miss_no_shell if not fires(exec("/usr/bin/python3", "S_IFCHR", "/dev/pts/0", testing.container))
