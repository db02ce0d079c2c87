package tocsin.tests.execution_from_temporary_directory

import data.tocsin.rules.execution_from_temporary_directory as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.executed("/tmp/x", ["/tmp/x"], testing.container))

test_match_script if fires(testing.event("sched_process_exec", {"cmdpath": "/tmp/x.sh", "pathname": "/usr/bin/dash", "argv": ["sh", "/tmp/x.sh"]}, testing.container))

test_match_2 if fires(testing.executed("/var/tmp/a/b", ["/var/tmp/a/b"], testing.container))

test_evasion_deep if fires(testing.executed("/tmp/systemd-private-1/usr/bin/ls", ["/tmp/systemd-private-1/usr/bin/ls"], testing.container))

test_near_miss_host if not fires(testing.executed("/tmp/x", ["/tmp/x"], {}))

test_near_miss_1 if not fires(testing.executed("/usr/bin/tmp/x", ["/usr/bin/tmp/x"], testing.container))

test_evasion_dynamic_loader if {
	fires(testing.executed("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", ["ld.so", "/tmp/x"], testing.container))
}
