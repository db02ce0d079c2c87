package tocsin.tests.kernel_function_hooked

import data.tocsin.rules.kernel_function_hooked as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

hooked(symbol, owner, flags) := testing.event(
	"ftrace_hook",
	{"symbol": symbol, "trampoline": "0xffffffffc0299000", "callback": "hook", "callback_offset": 0, "callback_owner": owner, "flags": flags, "count": 1},
	{},
)

test_match if fires(hooked("__x64_sys_getdents64", "kovid", "R I"))

test_evasion_hidden_module if fires(hooked("tcp4_seq_show", "hidden", "R I"))

test_evasion_every_function if fires(hooked("*", "kovid", ""))

test_near_miss_kprobe if not fires(testing.event("kprobe_attach", {"symbol_name": "do_exit"}, {}))

test_near_miss_bpf if not fires(testing.event("bpf_attach", {"symbol_name": "do_exit"}, {}))
