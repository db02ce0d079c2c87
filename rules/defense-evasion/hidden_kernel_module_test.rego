package tocsin.tests.hidden_kernel_module

import data.tocsin.rules.hidden_kernel_module as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

hidden(name, more) := testing.event("hidden_kernel_module", {"address": "0xffffffffc0403000", "name": name, "srcversion": ""}, more)

test_match if fires(hidden("diamorphine", {}))

test_evasion_name_of_a_driver if fires(hidden("ipv6", {}))

test_evasion_name_of_a_trusted_process if fires(hidden("x", {"processName": "systemd"}))

test_near_miss_load if not fires(testing.event("module_load", {"name": "diamorphine"}, {}))

test_near_miss_init if not fires(testing.event("do_init_module", {"name": "diamorphine"}, {}))
