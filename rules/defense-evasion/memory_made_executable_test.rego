package tocsin.tests.memory_made_executable

import data.tocsin.rules.memory_made_executable as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.event("mem_prot_alert", {"alert": "Protection changed from W to E!"}, {}))

test_match_2 if fires(testing.event("mem_prot_alert", {"alert": "Mmaped region with W+E permissions!"}, testing.container))

test_evasion_comm if fires(testing.event("mem_prot_alert", {"alert": "Protection changed to Executable!"}, {"processName": "java"}))

test_near_miss_node if not fires(testing.event("mem_prot_alert", {"alert": "Protection changed from W to E!"}, testing.by("/usr/bin/node")))
