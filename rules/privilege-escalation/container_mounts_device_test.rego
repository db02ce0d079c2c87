package tocsin.tests.container_mounts_device

import data.tocsin.rules.container_mounts_device as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

mount(device, type, more) := testing.event("security_sb_mount", {"dev_name": device, "path": "/mnt", "type": type, "flags": "0"}, more)

test_match if fires(mount("/dev/sda1", "ext4", testing.container))

test_match_device_mapper if fires(mount("/dev/mapper/vg-root", "xfs", testing.container))

test_match_debugfs if fires(mount("none", "debugfs", testing.container))

test_evasion_bind_of_device_node if fires(mount("/dev/nvme0n1p1", "", testing.container))

test_near_miss_tmpfs if not fires(mount("tmpfs", "tmpfs", testing.container))

test_near_miss_pts if not fires(mount("/dev/pts/0", "", testing.container))

test_near_miss_host if not fires(mount("/dev/sda1", "ext4", {}))

test_near_miss_runtime if not fires(mount("/dev/sda1", "ext4", object.union(testing.container, testing.runtime)))

test_evasion_second_version_of_cgroups if {
	ev := testing.event("security_sb_mount", {"dev_name": "none", "path": "/tmp/c", "type": "cgroup2", "flags": 0}, testing.container)
	fires(ev)
}
