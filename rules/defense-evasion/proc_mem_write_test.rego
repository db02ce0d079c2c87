package tocsin.tests.proc_mem_write

import data.tocsin.testing

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if testing.fires("proc_mem_write", open("/proc/77/mem", "O_RDWR", {}))

test_evasion_through_a_thread if testing.fires("proc_mem_write", open("/proc/77/task/78/mem", "O_WRONLY", {}))

test_evasion_pid_with_the_same_start if testing.fires("proc_mem_write", open("/proc/40001/mem", "O_WRONLY", {}))

test_near_miss_own_memory if not testing.fires("proc_mem_write", open("/proc/4000/mem", "O_RDWR", {}))

test_near_miss_own_thread if not testing.fires("proc_mem_write", open("/proc/4000/task/4001/mem", "O_RDWR", {}))

test_near_miss_read if not testing.fires("proc_mem_write", open("/proc/77/mem", "O_RDONLY", {}))

test_near_miss_other_file if not testing.fires("proc_mem_write", open("/proc/77/oom_score_adj", "O_WRONLY", {}))

test_near_miss_debugger if not testing.fires("proc_mem_write", open("/proc/77/mem", "O_RDWR", testing.by("/usr/bin/gdb")))
