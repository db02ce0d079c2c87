package tocsin.tests.kernel_hook

import data.tocsin.rules.kernel_hook as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("hooked_syscall", {"syscall": "getdents64", "address": "0x1", "function": "x", "owner": "rk"}, {}))

test_match_2 if fires(testing.event("hooked_proc_fops", {"hooked_fops_pointers": [{"SymbolName": "iterate", "ModuleOwner": "rk"}]}, {}))

test_match_3 if fires(testing.event("hooked_seq_ops", {"hooked_seq_ops": {"tcp4_seq_ops": {"SymbolName": "show", "ModuleOwner": "rk"}}}, {}))

test_evasion_ftrace if fires(testing.event("ftrace_hook", {"symbol": "__x64_sys_kill", "callback_owner": "rk"}, {}))

test_near_miss_kernel_itself if not fires(testing.event("ftrace_hook", {"symbol": "x", "callback_owner": "vmlinux"}, {}))

test_near_miss_other_event if not fires(testing.event("do_init_module", {"name": "x"}, {}))
