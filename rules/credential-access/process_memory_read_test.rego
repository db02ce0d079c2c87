package tocsin.tests.process_memory_read

import data.tocsin.rules.process_memory_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/proc/77/mem", "O_RDONLY", {}))

test_match_2 if fires(testing.event("process_vm_readv", {"pid": 77}, testing.container))

test_evasion_through_thread if fires(testing.opened("/proc/77/task/77/mem", "O_RDONLY", {}))

test_near_miss_own if not fires(testing.opened("/proc/4000/mem", "O_RDONLY", {}))

test_near_miss_itself if not fires(testing.event("process_vm_readv", {"pid": 4000}, {}))

test_near_miss_debugger if not fires(testing.opened("/proc/77/mem", "O_RDONLY", testing.by("/usr/bin/gdb")))

test_near_miss_write if not fires(testing.opened("/proc/77/mem", "O_RDWR", {}))

test_evasion_proc_mounted_elsewhere if fires(testing.opened("/mnt/p/77/mem", "O_RDONLY", {}))

test_near_miss_device if not fires(testing.opened("/dev/mem", "O_RDONLY", {}))

test_evasion_word_by_word if fires(testing.event("ptrace", {"request": "PTRACE_PEEKDATA", "pid": 7}, {}))

test_near_miss_debugger_peeks if {
	not fires(testing.event("ptrace", {"request": "PTRACE_PEEKTEXT", "pid": 7}, testing.by("/usr/bin/gdb")))
}

test_near_miss_attach if not fires(testing.event("ptrace", {"request": "PTRACE_ATTACH", "pid": 7}, {}))
