package tocsin.tests.tunnel_domain_lookup

import data.tocsin.rules.tunnel_domain_lookup as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.asked("abc123.ngrok-free.app", "A", testing.container))

test_match_callback if fires(testing.asked("c59e3crp82ke7bcnedq0.oast.pro", "A", testing.container))

test_evasion_case if fires(testing.asked("x.OAST.pro", "TXT", testing.container))

test_near_miss_host if not fires(testing.asked("abc123.ngrok-free.app", "A", {}))

test_near_miss_other_domain if not fires(testing.asked("toast.pro", "A", testing.container))
