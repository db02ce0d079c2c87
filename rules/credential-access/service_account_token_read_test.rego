package tocsin.tests.service_account_token_read

import data.tocsin.rules.service_account_token_read as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match_1 if fires(testing.opened("/run/secrets/kubernetes.io/serviceaccount/..2026_11_24/token", "O_RDONLY", testing.container))

test_match_2 if fires(testing.opened("/var/run/secrets/eks.amazonaws.com/serviceaccount/..1/token", "O_RDONLY", testing.container))

test_evasion_mounted_elsewhere if fires(testing.opened("/x/kubernetes.io/serviceaccount/token", "O_RDONLY", testing.container))

test_near_miss_host if not fires(testing.opened("/run/secrets/kubernetes.io/serviceaccount/token", "O_RDONLY", {}))

test_near_miss_1 if not fires(testing.opened("/run/secrets/kubernetes.io/serviceaccount/..1/ca.crt", "O_RDONLY", testing.container))
