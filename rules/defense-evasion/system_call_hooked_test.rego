package tocsin.tests.system_call_hooked

import data.tocsin.rules.system_call_hooked as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

hooked(name, function, owner) := testing.event(name, {"syscall": "getdents64", "address": "0xffffffffc0401000", "function": function, "owner": owner}, {})

test_match_module if fires(hooked("hooked_syscall", "hook_getdents64", "diamorphine"))

test_evasion_hidden_module if fires(hooked("hooked_syscall", "", "hidden"))

test_evasion_other_function_of_the_kernel if fires(hooked("hooked_syscall", "commit_creds", "system"))

test_near_miss_system_call if not fires(testing.event("getdents64", {"fd": 3}, {}))

test_near_miss_traced_function if {
	not fires(testing.event("ftrace_hook", {"symbol": "__x64_sys_getdents64", "callback_owner": "diamorphine"}, {}))
}
