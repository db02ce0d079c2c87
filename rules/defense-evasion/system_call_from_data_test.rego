package tocsin.tests.system_call_from_data

import data.tocsin.rules.system_call_from_data as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

call(memory, more) := testing.event("suspicious_syscall_source", {"syscall": "socket", "vma_type": memory}, more)

test_match_stack if fires(call("main stack", {}))

test_match_anonymous if fires(call("anonymous", testing.container))

test_evasion_heap if fires(call("heap", {}))

test_near_miss_file if not fires(call("other", {}))

test_near_miss_compiler if not fires(call("anonymous", testing.by("/usr/bin/node")))
