package tocsin.tests.cloud_credentials_requested

import data.tocsin.rules.cloud_credentials_requested as rule
import data.tocsin.testing

fires(ev) if {
	testing.selects(rule.tracee_selected_events, ev)
	match := rule.tracee_match with input as ev
	match != false
}

test_match if fires(testing.requested("GET", "169.254.169.254", "/latest/meta-data/iam/security-credentials/role", testing.container))

test_match_google if fires(testing.requested("GET", "metadata.google.internal", "/computeMetadata/v1/instance/service-accounts/default/token", testing.container))

test_match_token if fires(testing.requested("PUT", "169.254.169.254", "/latest/api/token", testing.container))

test_evasion_decimal_address if fires(testing.requested("GET", "2852039166", "/latest/meta-data/iam/security-credentials/", testing.container))

test_near_miss_other_path if not fires(testing.requested("GET", "169.254.169.254", "/latest/meta-data/instance-id", testing.container))

test_near_miss_host if not fires(testing.requested("GET", "169.254.169.254", "/latest/api/token", {}))
