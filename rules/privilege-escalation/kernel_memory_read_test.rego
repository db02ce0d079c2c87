package tocsin.tests.kernel_memory_read

import data.tocsin.testing

test_match_1 if testing.fires("kernel_memory_read", testing.opened("/proc/kcore", "O_RDONLY", testing.container))

test_match_2 if testing.fires("kernel_memory_read", testing.opened("/dev/mem", "O_RDWR", testing.container))

test_evasion_proc_mounted_elsewhere if testing.fires("kernel_memory_read", testing.opened("/host/proc/kcore", "O_RDONLY", testing.container))

test_near_miss_host if not testing.fires("kernel_memory_read", testing.opened("/proc/kcore", "O_RDONLY", {}))

test_near_miss_1 if not testing.fires("kernel_memory_read", testing.opened("/proc/kmsg", "O_RDONLY", testing.container))
