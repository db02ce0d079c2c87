package tocsin.tests.stack_on_heap

import data.tocsin.rules.stack_on_heap as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

pivot(memory, more) := testing.event("stack_pivot", {"syscall": "execve", "vma_type": memory}, more)

test_match if fires(pivot("heap", {}))

test_evasion_container if fires(pivot("heap", testing.container))

test_near_miss_coroutine if not fires(pivot("anonymous", {}))

test_near_miss_file if not fires(pivot("other", {}))
