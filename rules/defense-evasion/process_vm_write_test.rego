package tocsin.tests.process_vm_write

import data.tocsin.rules.process_vm_write as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

write(pid, more) := testing.event("process_vm_writev", {"pid": pid, "liovcnt": 1, "riovcnt": 1, "flags": 0}, more)

test_match if fires(write(77, {}))

test_match_in_container if fires(write(1, testing.container))

test_evasion_comm_of_a_debugger if fires(write(77, {"processName": "gdb"}))

test_near_miss_debugger if not fires(write(77, testing.by("/usr/bin/gdb")))

test_near_miss_itself if not fires(write(4000, {}))
