package tocsin.tests.execution_from_temporary_directory_on_host

import data.tocsin.rules.execution_from_temporary_directory_on_host as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.executed("/tmp/x", ["/tmp/x"], {}))

test_match_shared_memory if fires(testing.executed("/dev/shm/x", ["x"], {}))

test_evasion_script if fires(testing.event("sched_process_exec", {"pathname": "/usr/bin/dash", "cmdpath": "/tmp/x", "argv": ["/bin/sh", "/tmp/x"]}, {}))

test_near_miss_container if not fires(testing.executed("/tmp/x", ["/tmp/x"], testing.container))

test_near_miss_package_script if not fires(testing.executed("/tmp/x", ["x"], testing.child_of("/usr/bin/dpkg")))

test_evasion_dynamic_loader if {
	fires(testing.executed("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "/tmp/x"], {}))
}

test_near_miss_dynamic_loader if {
	not fires(testing.executed("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "--list", "/bin/ls"], {}))
}
