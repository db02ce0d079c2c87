package tocsin.tests.container_mounts_device

import data.tocsin.testing

mount(device, type, more) := testing.event("security_sb_mount", {"dev_name": device, "path": "/mnt", "type": type, "flags": "0"}, more)

test_match if testing.fires("container_mounts_device", mount("/dev/sda1", "ext4", testing.container))

test_match_device_mapper if testing.fires("container_mounts_device", mount("/dev/mapper/vg-root", "xfs", testing.container))

test_match_debugfs if testing.fires("container_mounts_device", mount("none", "debugfs", testing.container))

test_evasion_bind_of_device_node if testing.fires("container_mounts_device", mount("/dev/nvme0n1p1", "", testing.container))

test_near_miss_tmpfs if not testing.fires("container_mounts_device", mount("tmpfs", "tmpfs", testing.container))

test_near_miss_pts if not testing.fires("container_mounts_device", mount("/dev/pts/0", "", testing.container))

test_near_miss_host if not testing.fires("container_mounts_device", mount("/dev/sda1", "ext4", {}))

test_near_miss_runtime if not testing.fires("container_mounts_device", mount("/dev/sda1", "ext4", object.union(testing.container, testing.by("/usr/bin/runc"))))
