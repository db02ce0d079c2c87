package tocsin.tests.cgroup_release_agent

import data.tocsin.rules.cgroup_release_agent as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if fires(open("/sys/fs/cgroup/rdma/release_agent", "O_WRONLY|O_CREAT|O_TRUNC", testing.container))

test_match_notify if fires(open("/tmp/cgrp/x/notify_on_release", "O_RDWR", testing.container))

test_evasion_renamed_into_place if {
	fires(testing.renamed("/a/x", "/a/release_agent", testing.container))
}

test_evasion_own_mount_point if fires(open("/a/release_agent", "O_RDWR|O_APPEND", testing.container))

test_near_miss_read if not fires(open("/sys/fs/cgroup/rdma/release_agent", "O_RDONLY", testing.container))

test_near_miss_host if not fires(open("/sys/fs/cgroup/rdma/release_agent", "O_WRONLY", {}))

test_near_miss_other_file if not fires(open("/tmp/release_agent.txt", "O_WRONLY", testing.container))
