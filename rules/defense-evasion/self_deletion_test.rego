package tocsin.tests.self_deletion

import data.tocsin.rules.self_deletion as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_inode_unlink", {"pathname": "/tmp/x"}, testing.by("/tmp/x")))

test_match_in_container if fires(testing.event("security_inode_unlink", {"pathname": "/dev/shm/y"}, object.union(testing.container, testing.by("/dev/shm/y"))))

test_evasion_deep if fires(testing.event("security_inode_unlink", {"pathname": "/var/tmp/.a/b"}, testing.by("/var/tmp/.a/b")))

test_near_miss_other_file if not fires(testing.event("security_inode_unlink", {"pathname": "/tmp/y"}, testing.by("/tmp/x")))

test_near_miss_rm if not fires(testing.event("security_inode_unlink", {"pathname": "/tmp/x"}, testing.by("/usr/bin/rm")))
