package tocsin.tests.container_capability_use

import data.tocsin.rules.container_capability_use as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

asked(cap, call, more) := testing.event("cap_capable", {"cap": cap, "syscall": call}, more)

test_match_mount if fires(asked("CAP_SYS_ADMIN", "mount", testing.container))

test_match_module if fires(asked("CAP_SYS_MODULE", "finit_module", testing.container))

test_match_trace if fires(asked("CAP_SYS_PTRACE", "ptrace", testing.container))

test_match_handle if fires(asked("CAP_DAC_READ_SEARCH", "open_by_handle_at", testing.container))

test_evasion_comm if fires(asked("CAP_SYS_ADMIN", "setns", object.union(testing.container, {"processName": "runc"})))

test_evasion_new_calls if fires(asked("CAP_SYS_ADMIN", "fsopen", testing.container))

test_near_miss_memory if not fires(asked("CAP_SYS_ADMIN", "mmap", testing.container))

test_near_miss_ps if not fires(asked("CAP_SYS_PTRACE", "openat", testing.container))

test_near_miss_find if not fires(asked("CAP_DAC_READ_SEARCH", "openat", testing.container))

test_near_miss_chown if not fires(asked("CAP_CHOWN", "fchownat", testing.container))

test_near_miss_host if not fires(asked("CAP_SYS_ADMIN", "mount", {}))

test_near_miss_runc if not fires(asked("CAP_SYS_ADMIN", "mount", object.union(testing.container, testing.runtime)))
