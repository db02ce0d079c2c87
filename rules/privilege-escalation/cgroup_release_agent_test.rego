package tocsin.tests.cgroup_release_agent

import data.tocsin.testing

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if testing.fires("cgroup_release_agent", open("/sys/fs/cgroup/rdma/release_agent", "O_WRONLY|O_CREAT|O_TRUNC", testing.container))

test_match_notify if testing.fires("cgroup_release_agent", open("/tmp/cgrp/x/notify_on_release", "O_RDWR", testing.container))

test_evasion_own_mount_point if testing.fires("cgroup_release_agent", open("/a/release_agent", "O_RDWR|O_APPEND", testing.container))

test_near_miss_read if not testing.fires("cgroup_release_agent", open("/sys/fs/cgroup/rdma/release_agent", "O_RDONLY", testing.container))

test_near_miss_host if not testing.fires("cgroup_release_agent", open("/sys/fs/cgroup/rdma/release_agent", "O_WRONLY", {}))

test_near_miss_other_file if not testing.fires("cgroup_release_agent", open("/tmp/release_agent.txt", "O_WRONLY", testing.container))
