package tocsin.tests.fileless_execution

import data.tocsin.rules.fileless_execution as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

exec(path, more) := testing.event("sched_process_exec", {"cmdpath": "/proc/self/fd/3", "pathname": path, "argv": ["x"]}, more)

test_match_memfd if fires(exec("/memfd:x (deleted)", {}))

test_match_shared_memory if fires(exec("/dev/shm/.x/agent", testing.container))

test_match_deleted if fires(exec("/tmp/x (deleted)", {}))

test_evasion_named_like_runc if fires(exec("/memfd:runc_cloned:/proc/self/exe (deleted)", testing.child_of("/usr/bin/bash")))

test_evasion_older_kernel if fires(exec("memfd:x", {}))

test_match_run_shm if fires(exec("/run/shm/x", {}))

test_near_miss_runc if {
	not fires(exec("/memfd:runc_cloned:/proc/self/exe (deleted)", testing.child_of("/usr/sbin/runc")))
}

test_near_miss_ordinary if not fires(exec("/usr/bin/ls", {}))

test_near_miss_name if not fires(exec("/opt/memfd:x", {}))

test_evasion_script if fires(testing.event("sched_process_exec", {"pathname": "/usr/bin/dash", "cmdpath": "/dev/shm/x", "argv": ["/bin/sh", "/dev/shm/x"]}, {}))

test_evasion_dynamic_loader if {
	fires(testing.executed("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", ["ld.so", "/proc/self/fd/3"], {}))
}
