package tocsin.tests.container_device_node

import data.tocsin.rules.container_device_node as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("security_inode_mknod", {"file_name": "/tmp/sda", "mode": "S_IFBLK|S_IRUSR|S_IWUSR", "dev": 2048}, testing.container))

test_evasion_other_name if fires(testing.event("security_inode_mknod", {"file_name": "/home/x", "mode": "S_IFBLK", "dev": 2048}, testing.container))

test_near_miss_fifo if not fires(testing.event("security_inode_mknod", {"file_name": "/tmp/f", "mode": "S_IFIFO|S_IRUSR", "dev": 0}, testing.container))

test_near_miss_host if not fires(testing.event("security_inode_mknod", {"file_name": "/dev/sda", "mode": "S_IFBLK", "dev": 2048}, {}))

test_near_miss_runtime if not fires(testing.event("security_inode_mknod", {"file_name": "/dev/x", "mode": "S_IFBLK", "dev": 2048}, object.union(testing.container, testing.runtime)))
