package tocsin.tests.process_memory_read

import data.tocsin.testing

test_match_1 if testing.fires("process_memory_read", testing.opened("/proc/77/mem", "O_RDONLY", {}))

test_match_2 if testing.fires("process_memory_read", testing.event("process_vm_readv", {"pid": 77}, testing.container))

test_evasion_through_thread if testing.fires("process_memory_read", testing.opened("/proc/77/task/77/mem", "O_RDONLY", {}))

test_near_miss_own if not testing.fires("process_memory_read", testing.opened("/proc/4000/mem", "O_RDONLY", {}))

test_near_miss_itself if not testing.fires("process_memory_read", testing.event("process_vm_readv", {"pid": 4000}, {}))

test_near_miss_debugger if not testing.fires("process_memory_read", testing.opened("/proc/77/mem", "O_RDONLY", testing.by("/usr/bin/gdb")))

test_near_miss_write if not testing.fires("process_memory_read", testing.opened("/proc/77/mem", "O_RDWR", {}))
