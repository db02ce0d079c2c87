package tocsin.tests.ptrace_injection

import data.tocsin.testing

ptrace(request, more) := testing.event("ptrace", {"request": request, "pid": 77, "addr": "0x0", "data": "0x0"}, more)

test_match_poketext if testing.fires("ptrace_injection", ptrace("PTRACE_POKETEXT", {}))

test_match_in_container if testing.fires("ptrace_injection", ptrace("PTRACE_POKEDATA", testing.container))

test_evasion_registers_only if testing.fires("ptrace_injection", ptrace("PTRACE_SETREGSET", {}))

test_evasion_comm_of_a_debugger if testing.fires("ptrace_injection", ptrace("PTRACE_POKETEXT", {"processName": "gdb"}))

test_near_miss_reading if not testing.fires("ptrace_injection", ptrace("PTRACE_PEEKTEXT", {}))

test_near_miss_strace if not testing.fires("ptrace_injection", ptrace("PTRACE_SYSCALL", testing.by("/usr/bin/strace")))

test_near_miss_gdb if not testing.fires("ptrace_injection", ptrace("PTRACE_POKETEXT", testing.by("/usr/bin/gdb")))
