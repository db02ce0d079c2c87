package tocsin.tests.proc_mem_write

import data.tocsin.rules.proc_mem_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(path, flags, more) := testing.event("security_file_open", {"pathname": path, "flags": flags}, more)

test_match if fires(open("/proc/77/mem", "O_RDWR", {}))

test_evasion_through_a_thread if fires(open("/proc/77/task/78/mem", "O_WRONLY", {}))

test_evasion_pid_with_the_same_start if fires(open("/proc/40001/mem", "O_WRONLY", {}))

test_near_miss_own_memory if not fires(open("/proc/4000/mem", "O_RDWR", {}))

test_near_miss_own_thread if not fires(open("/proc/4000/task/4001/mem", "O_RDWR", {}))

test_near_miss_read if not fires(open("/proc/77/mem", "O_RDONLY", {}))

test_near_miss_other_file if not fires(open("/proc/77/oom_score_adj", "O_WRONLY", {}))

test_near_miss_debugger if not fires(open("/proc/77/mem", "O_RDWR", testing.by("/usr/bin/gdb")))

test_evasion_proc_mounted_elsewhere if fires(open("/mnt/p/77/mem", "O_RDWR", {}))

test_near_miss_device if not fires(open("/dev/mem", "O_RDWR", {}))
