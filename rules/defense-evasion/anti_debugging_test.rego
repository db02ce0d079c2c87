package tocsin.tests.anti_debugging

import data.tocsin.rules.anti_debugging as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("ptrace", {"request": "PTRACE_TRACEME", "pid": 0}, {}))

test_match_in_container if fires(testing.event("ptrace", {"request": "PTRACE_TRACEME", "pid": 0}, testing.container))

test_evasion_comm if fires(testing.event("ptrace", {"request": "PTRACE_TRACEME", "pid": 0}, {"processName": "gdb"}))

test_near_miss_gdb if not fires(testing.event("ptrace", {"request": "PTRACE_TRACEME", "pid": 0}, testing.by("/usr/bin/gdb")))

test_near_miss_child_of_strace if not fires(testing.event("ptrace", {"request": "PTRACE_TRACEME", "pid": 0}, testing.child_of("/usr/bin/strace")))

test_near_miss_attach if not fires(testing.event("ptrace", {"request": "PTRACE_ATTACH", "pid": 5}, {}))
