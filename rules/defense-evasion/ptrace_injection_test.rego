package tocsin.tests.ptrace_injection

import data.tocsin.rules.ptrace_injection as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

ptrace(request, more) := testing.event("ptrace", {"request": request, "pid": 77, "addr": "0x0", "data": "0x0"}, more)

test_match_poketext if fires(ptrace("PTRACE_POKETEXT", {}))

test_match_in_container if fires(ptrace("PTRACE_POKEDATA", testing.container))

test_evasion_registers_only if fires(ptrace("PTRACE_SETREGSET", {}))

test_evasion_comm_of_a_debugger if fires(ptrace("PTRACE_POKETEXT", {"processName": "gdb"}))

test_near_miss_reading if not fires(ptrace("PTRACE_PEEKTEXT", {}))

test_near_miss_strace if not fires(ptrace("PTRACE_SYSCALL", testing.by("/usr/bin/strace")))

test_near_miss_gdb if not fires(ptrace("PTRACE_POKETEXT", testing.by("/usr/bin/gdb")))
