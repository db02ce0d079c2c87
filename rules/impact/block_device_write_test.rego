package tocsin.tests.block_device_write

import data.tocsin.testing

test_match_1 if testing.fires("block_device_write", testing.opened("/dev/sda", "O_WRONLY", {}))

test_match_2 if testing.fires("block_device_write", testing.opened("/dev/nvme0n1p2", "O_RDWR", testing.container))

test_evasion_borrowed_comm if testing.fires("block_device_write", testing.opened("/dev/vda", "O_WRONLY", {"processName": "mkfs.ext4"}))

test_near_miss_read if not testing.fires("block_device_write", testing.opened("/dev/sda", "O_RDONLY", {}))

test_near_miss_mkfs if not testing.fires("block_device_write", testing.opened("/dev/sda1", "O_RDWR", testing.by("/usr/sbin/mke2fs")))

test_near_miss_1 if not testing.fires("block_device_write", testing.opened("/dev/null", "O_WRONLY", {}))
