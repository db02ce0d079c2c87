package tocsin.tests.dynamic_dns_lookup

import data.tocsin.rules.dynamic_dns_lookup as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.asked("update.simulation.duckdns.org", "A", testing.container))

test_match_second if fires(testing.asked("x.hopto.org", "AAAA", testing.container))

test_evasion_case if fires(testing.asked("X.DuckDNS.ORG", "TXT", testing.container))

test_near_miss_host if not fires(testing.asked("x.duckdns.org", "A", {}))

test_near_miss_other_domain if not fires(testing.asked("notduckdns.org", "A", testing.container))
