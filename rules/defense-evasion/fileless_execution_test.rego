package tocsin.tests.fileless_execution

import data.tocsin.testing

exec(path, more) := testing.event("sched_process_exec", {"cmdpath": "/proc/self/fd/3", "pathname": path, "argv": ["x"]}, more)

test_match_memfd if testing.fires("fileless_execution", exec("/memfd:x (deleted)", {}))

test_match_shared_memory if testing.fires("fileless_execution", exec("/dev/shm/.x/agent", testing.container))

test_match_deleted if testing.fires("fileless_execution", exec("/tmp/x (deleted)", {}))

test_evasion_named_like_runc if testing.fires("fileless_execution", exec("/memfd:runc_cloned:/proc/self/exe (deleted)", testing.child_of("/usr/bin/bash")))

test_near_miss_runc if {
	not testing.fires("fileless_execution", exec("/memfd:runc_cloned:/proc/self/exe (deleted)", testing.child_of("/usr/sbin/runc")))
}

test_near_miss_ordinary if not testing.fires("fileless_execution", exec("/usr/bin/ls", {}))

test_near_miss_name if not testing.fires("fileless_execution", exec("/opt/memfd:x", {}))
