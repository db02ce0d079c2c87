package tocsin.tests.kernel_helper_overwrite

import data.tocsin.testing

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if testing.fires("kernel_helper_overwrite", open("/proc/sys/kernel/core_pattern", "O_WRONLY|O_TRUNC", testing.container))

test_evasion_other_mount_of_proc if testing.fires("kernel_helper_overwrite", open("/mnt/p/sys/kernel/modprobe", "O_RDWR", testing.container))

test_match_sysrq if testing.fires("kernel_helper_overwrite", open("/proc/sysrq-trigger", "O_WRONLY", testing.container))

test_near_miss_read if not testing.fires("kernel_helper_overwrite", open("/proc/sys/kernel/core_pattern", "O_RDONLY", testing.container))

test_near_miss_host if not testing.fires("kernel_helper_overwrite", open("/proc/sys/kernel/core_pattern", "O_WRONLY", {}))

test_near_miss_own_file if not testing.fires("kernel_helper_overwrite", open("/home/app/core_pattern", "O_WRONLY", testing.container))
