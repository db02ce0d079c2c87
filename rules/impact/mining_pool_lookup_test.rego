package tocsin.tests.mining_pool_lookup

import data.tocsin.rules.mining_pool_lookup as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.asked("xmr-eu1.nanopool.org", "A", {}))

test_match_container if fires(testing.asked("pool.supportxmr.com", "AAAA", testing.container))

test_match_domain if fires(testing.asked("minexmr.com", "A", {}))

test_evasion_case if fires(testing.asked("Pool.SupportXMR.com", "A", {}))

test_near_miss_other_domain if not fires(testing.asked("notnanopool.org", "A", {}))

test_near_miss_below_another if not fires(testing.asked("nanopool.org.example.com", "A", {}))
