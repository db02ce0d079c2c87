package tocsin.tests.dns_tunnel

import data.tocsin.rules.dns_tunnel as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

long := "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydcmrtgq2tmnzyhe"

test_match if fires(testing.asked(concat(".", [long, "t.example.com"]), "TXT", {}))

test_match_null if fires(testing.asked(concat(".", ["a", long, "t.example.com"]), "NULL", testing.container))

test_evasion_case if fires(testing.asked(upper(concat(".", [long, "t.example.com"])), "CNAME", {}))

test_near_miss_short if not fires(testing.asked("selector1-example-com._domainkey.example.onmicrosoft.com", "TXT", {}))

test_near_miss_address if not fires(testing.asked(concat(".", [long, "cdn.example.com"]), "A", {}))
