package tocsin.tests.hidden_kernel_module

import data.tocsin.rules.hidden_kernel_module as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("hidden_kernel_module", {"address": "0x1", "name": "rk", "srcversion": ""}, {}))

test_evasion_without_name if fires(testing.event("hidden_kernel_module", {"address": "0x1", "name": "", "srcversion": ""}, {}))

test_near_miss_load if not fires(testing.event("module_load", {"name": "ext4"}, {}))
