package tocsin.tests.file_handle_opened_in_container

import data.tocsin.rules.file_handle_opened_in_container as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

open(flags, more) := testing.event("open_by_handle_at", {"mount_fd": 3, "handle": "0x7ffd", "flags": flags}, more)

test_match if fires(open("O_RDONLY", testing.container))

test_evasion_refused if fires(open("O_RDWR", object.union(testing.container, {"returnValue": -1})))

test_near_miss_host if not fires(open("O_RDONLY", {}))

test_near_miss_runtime if not fires(open("O_RDONLY", object.union(testing.container, testing.runtime)))
